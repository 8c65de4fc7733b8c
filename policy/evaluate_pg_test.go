package policy

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"walcast/policy/sql"
)

// oldFunctions are the bodies of Supabase's functions before 2022, and wrappers
// of the kind that people write.
const oldFunctions = `
	create schema old; grant usage on schema old to anon, authenticated;
	create function old.uid() returns uuid language sql stable as $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid; $$;
	create function old.role() returns text language sql stable as $$ select nullif(current_setting('request.jwt.claim.role', true), '')::text; $$;
	create function old.claims() returns jsonb language sql stable as $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
	create function old.sub() returns uuid language sql stable set search_path = '' as $$
		-- who asks
		select (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid
	$$;
	create function old.tenant() returns text language sql immutable as $$ select current_setting('request.jwt.claims')::json -> 'app_metadata' ->> 'tenant' $$;
	create function old.admin() returns boolean language sql stable as $$ select coalesce((current_setting('request.jwt.claims', true)::jsonb -> 'admin')::boolean, false) $$;`

// drawValue draws SQL without columns, of the kind that policies have.
func drawValue(t *rapid.T, depth int) string {
	name := rapid.SampledFrom([]string{"sub", "role", "email", "n", "admin", "app_metadata", "tenant", "list", "missing"})
	claims := rapid.SampledFrom([]string{
		"current_setting('request.jwt.claims', true)::jsonb", "current_setting('request.jwt.claims')::json", "auth.jwt()", "old.claims()", "(select auth.jwt())",
		"nullif(current_setting('request.jwt.claims', true), '')::jsonb",
	})
	kind := rapid.IntRange(0, 13).Draw(t, "kind")
	if depth == 0 {
		kind %= 6
	}
	sub := func() string { return "(" + drawValue(t, depth-1) + ")" }
	op := rapid.SampledFrom([]string{"=", "<>", "<", ">=", "is distinct from", "is not distinct from"})
	switch kind {
	case 0:
		return rapid.SampledFrom([]string{"auth.uid()", "auth.role()", "auth.email()", "old.uid()", "old.role()", "old.sub()", "old.tenant()", "old.admin()", "current_user", "current_user::text"}).Draw(t, "function")
	case 1, 2:
		return fmt.Sprintf("%s ->> '%s'", claims.Draw(t, "claims"), name.Draw(t, "name"))
	case 3:
		return fmt.Sprintf("%s -> '%s' ->> '%s'", claims.Draw(t, "claims"), name.Draw(t, "name"), name.Draw(t, "name"))
	case 4:
		return fmt.Sprintf("%s #>> '{%s,%s}'", claims.Draw(t, "claims"), name.Draw(t, "name"), name.Draw(t, "name"))
	case 5:
		return rapid.SampledFrom([]string{"'authenticated'", "'x'::text", "5", "1.50", "true", "null", "null::uuid", "'00000000-0000-4000-8000-000000000001'::uuid", "'7'::bigint"}).Draw(t, "literal")
	case 6:
		return fmt.Sprintf("%s::%s", sub(), rapid.SampledFrom([]string{"text", "uuid", "integer", "bigint", "boolean", "numeric", "smallint", "name", "jsonb"}).Draw(t, "type"))
	case 7:
		return fmt.Sprintf("%s %s %s", sub(), op.Draw(t, "op"), sub())
	case 8:
		return fmt.Sprintf("coalesce(%s, %s)", sub(), sub())
	case 9:
		return fmt.Sprintf("nullif(%s, %s)", sub(), sub())
	case 10:
		return fmt.Sprintf("%s is %s", sub(), rapid.SampledFrom([]string{"null", "not null", "true", "not false", "unknown"}).Draw(t, "is"))
	case 11:
		return fmt.Sprintf("%s %s %s", sub(), rapid.SampledFrom([]string{"and", "or"}).Draw(t, "logic"), sub())
	case 12:
		return "not " + sub()
	}
	return fmt.Sprintf("%s = any (array[%s, %s])", sub(), sub(), sub())
}

// drawClaims draws a claims object, not always a sane one.
func drawClaims(t *rapid.T) string {
	var fields []string
	for _, name := range []string{"sub", "role", "email", "n", "admin", "tenant", "list"} {
		if v := drawClaim(t, name); v != "" {
			fields = append(fields, fmt.Sprintf("%q: %s", name, v))
		}
	}
	if rapid.Bool().Draw(t, "has app_metadata") {
		fields = append(fields, fmt.Sprintf(`"app_metadata": {"tenant": %s, "n": 1}`, cmp.Or(drawClaim(t, "app tenant"), "null")))
	}
	fields = append(fields, fmt.Sprintf(`"long": "%s"`, strings.Repeat("n", 64)))
	return "{" + strings.Join(fields, ", ") + "}"
}

func drawClaim(t *rapid.T, name string) string {
	return rapid.SampledFrom([]string{
		"", `"00000000-0000-4000-8000-000000000001"`, `"00000000-0000-4000-8000-00000000000A"`, `"authenticated"`, `"x"`, `""`, `"7"`, `" 7"`, `"true"`, `"f"`, `"it's \u00fc \"q\" \\"`,
		`7`, `-7`, `70000`, `1.50`, `1e2`, `-0`, `true`, `false`, `null`, `["a"]`, `{"sub": "x", "n": null}`, `"\ud83d\ude00"`,
	}).Draw(t, name)
}

// Whatever evaluate is certain of, Postgres must say too.
func TestEvaluateSaysWhatPostgresSays(t *testing.T) {
	l := newLab(t, oldFunctions, "create table subjects (id int primary key); create policy p on subjects")
	functions := sql.NewFunctions(l.definitions("auth", "old"))
	certain, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text, claims := drawValue(t, 3), drawClaims(t)
		printed, ok := l.printed("("+text+")::text is not null", "subjects")
		if !ok {
			return // not SQL at all: the types do not fit
		}
		all++
		e, err := sql.Parse(printed)
		if err != nil {
			return
		}
		env := sql.Environment{Role: "authenticated", Claims: claims, Functions: functions}
		v, err := env.Evaluate(e.(sql.Is).Arg)
		if err != nil || !v.Scalar() {
			return
		}
		certain++
		want, err := l.evaluate(text, claims)
		if err != nil {
			t.Fatalf("%s for %s: %+v, but Postgres raises %v", text, claims, v, err)
		}
		if v.Null() != (want == nil) || !v.Null() && v.Text() != *want {
			t.Fatalf("%s for %s: %+v; want %v", text, claims, v, deref(want))
		}
	})
	t.Logf("certain of %d of %d", certain, all)
}

func deref(s *string) string {
	if s == nil {
		return "NULL"
	}
	return fmt.Sprintf("%q", *s)
}

// printed makes the SQL the policy p of a table, and prints it as the catalog does.
func (l *lab) printed(expression, table string) (string, bool) {
	l.t.Helper()
	if _, err := l.Pool.Exec(context.Background(), fmt.Sprintf("alter policy p on %s using (%s)", table, expression)); err != nil {
		return "", false
	}
	var text string
	err := pgx.BeginFunc(context.Background(), l.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(context.Background(), "set local search_path = pg_catalog, pg_temp"); err != nil {
			return err
		}
		return tx.QueryRow(context.Background(), "select pg_get_expr(polqual, polrelid) from pg_policy where polrelid = $1::text::regclass", "public."+table).Scan(&text)
	})
	if err != nil {
		l.t.Fatalf("print a policy: %v", err)
	}
	return text, true
}

// evaluate has Postgres evaluate, as a subject; both settings that nobody made
// and settings that were made once are met with.
func (l *lab) evaluate(expression, claims string) (text *string, err error) {
	ctx := context.Background()
	err = pgx.BeginFunc(ctx, l.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, becomeSQL, "5000", "public", "", claims, "authenticated", "on", ""); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "select ("+expression+")::text", pgx.QueryExecModeExec).Scan(&text)
	})
	return text, err
}

// definitions reads the functions of some schemas as policies would name them.
func (l *lab) definitions(schemas ...string) (all []sql.Definition) {
	l.t.Helper()
	for _, schema := range schemas {
		rows, err := l.Pool.Query(context.Background(), "select proname from pg_proc where pronamespace = $1::regnamespace", schema)
		if err != nil {
			l.t.Fatal(err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			l.t.Fatal(err)
		}
		for _, name := range names {
			table := fmt.Sprintf("calls_%s_%s", schema, name)
			l.Exec(fmt.Sprintf(`create table %s (id int primary key); alter table %[1]s enable row level security;
				create policy p on %[1]s using (%s.%s()::text is not null); grant select on %[1]s to authenticated`, table, schema, sql.QuoteName(name)))
			f, err := l.policy.readCatalog(context.Background(), l.relation(table), "authenticated")
			if err != nil {
				l.t.Fatal(err)
			}
			all = append(all, f.policies.functions...)
		}
	}
	return all
}
