package devdb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// supabase is what a Supabase database has and policies rely on. Roles belong
// to the whole server, so another database may be making them right now: both
// ways in which that fails are fine.
const supabase = `
do $$
declare r text;
begin
	foreach r in array array['anon', 'authenticated', 'service_role'] loop
		begin
			execute format('create role %I nologin noinherit %s', r, case r when 'service_role' then 'bypassrls' else '' end);
		exception when duplicate_object or unique_violation then null;
		end;
	end loop;
end $$;

create schema if not exists auth;
grant usage on schema public, auth to anon, authenticated, service_role;

create or replace function auth.uid() returns uuid language sql stable as $$
	select coalesce(
		nullif(current_setting('request.jwt.claim.sub', true), ''),
		(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
	)::uuid
$$;
create or replace function auth.role() returns text language sql stable as $$
	select coalesce(
		nullif(current_setting('request.jwt.claim.role', true), ''),
		(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
	)::text
$$;
create or replace function auth.email() returns text language sql stable as $$
	select coalesce(
		nullif(current_setting('request.jwt.claim.email', true), ''),
		(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')
	)::text
$$;
create or replace function auth.jwt() returns jsonb language sql stable as $$
	select coalesce(
		nullif(current_setting('request.jwt.claim', true), ''),
		nullif(current_setting('request.jwt.claims', true), '')
	)::jsonb
$$;
`

// execer is a pgx connection, pool or transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// CreateSupabaseRoles makes the roles anon, authenticated and service_role and
// the schema auth with uid, role, email and jwt, as Supabase defines them. It
// may be called again and from several databases at once.
func CreateSupabaseRoles(ctx context.Context, conn execer) error {
	if _, err := conn.Exec(ctx, supabase); err != nil {
		return fmt.Errorf("create Supabase's roles: %w", err)
	}
	return nil
}

// SupabaseRoles is CreateSupabaseRoles for a test. Roles outlive the database.
func SupabaseRoles(db *DB) {
	db.t.Helper()
	if err := CreateSupabaseRoles(context.Background(), db.Pool); err != nil {
		db.t.Fatalf("%v", err)
	}
}
