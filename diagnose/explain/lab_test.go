package explain

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/devdb"
	"walcast/policy"
)

// lab is a database that is asked about as walcast's own role, which is no superuser and
// owns nothing.
type lab struct {
	*testing.T
	db     *devdb.DB
	role   string
	config Config
}

const (
	mine   = "00000000-0000-4000-8000-000000000001"
	theirs = "00000000-0000-4000-8000-000000000002"
	claims = `{"role":"authenticated","sub":"` + mine + `"}`
)

// tables are of all kinds. The publication is rows.
const tables = `
	create table plain (id int primary key, note text, price numeric, tags text[]);
	create table notes (id int primary key, owner uuid, note text, hidden boolean not null default false);
	alter table notes enable row level security;
	create policy own on notes for select to authenticated using (owner = auth.uid());
	create policy shared on notes for select using (note = 'shared');
	create policy "not hidden" on notes as restrictive for select using (not hidden);
	create table whole (id int primary key, owner uuid, note text);
	alter table whole enable row level security; alter table whole replica identity full;
	create policy own on whole for select using (owner = auth.uid());
	create table members (org text, who uuid);
	insert into members values ('a', '` + mine + `');
	create table orders (id int primary key, org text, note text, shape point);
	alter table orders enable row level security;
	create policy "by org" on orders for select using (org in (select org from members where who = auth.uid()));
	insert into orders values (1, 'a', 'one', '(1,2)'), (2, 'b', 'two', '(3,4)');
	create function boom(text) returns boolean language plpgsql as $$ begin raise exception 'no good: %', $1 using errcode = 'P0077'; end $$;
	create table raising (id int primary key, note text);
	alter table raising enable row level security;
	create policy boom on raising for select using (boom(note));
	create table derived (id int primary key, owner uuid, known boolean generated always as (owner is not null) stored);
	alter table derived enable row level security; create policy known on derived for select using (known); insert into derived values (1, '` + mine + `');
	create table bare (id int primary key); alter table bare enable row level security;
	create table closed (id int primary key, note text);
	create table keyless (id int primary key, note text);
	create table partial (id int primary key, note text, secret text);
	create table inserts (id int primary key);
	create table unpublished (id int primary key);
	create schema app; create table app.away (id int primary key); create table app.guarded (id int primary key);
	alter table app.guarded enable row level security; create policy all_of on app.guarded for select using (true);
	grant select on plain, notes, whole, members, orders, raising, derived, bare, inserts, unpublished, app.away, app.guarded to anon, authenticated;
	grant select (note) on keyless to authenticated; grant select (id, note) on partial to authenticated;
	create publication rows for table plain, notes, whole, orders, raising, derived, bare, closed, keyless, partial, app.away, app.guarded;
	create publication more for table inserts with (publish = 'insert')`

// newLab is a lab with tables and what the statements make.
func newLab(t *testing.T, statements ...string) *lab {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	l := &lab{T: t, db: db, role: db.Name + "_walcast"}
	db.Exec("create role " + l.role + " login replication")
	t.Cleanup(l.dropRole)
	db.Exec("grant anon, authenticated to " + l.role)
	for _, s := range append([]string{tables}, statements...) {
		db.Exec(strings.ReplaceAll(s, "$role", l.role))
	}
	l.config = Config{Pool: l.pool(), Publications: []string{"rows", "more"}, Policy: policy.DefaultConfig()}
	l.config.Policy.Timeout = time.Minute // whatever else the machine does
	return l
}

// pool connects as walcast's role, in sessions like those of the server.
func (l *lab) pool() *pgxpool.Pool {
	l.Helper()
	config, err := pgxpool.ParseConfig(strings.Replace(l.db.DSN, "postgres@", l.role+"@", 1))
	if err != nil {
		l.Fatal(err)
	}
	config.MaxConns = 2
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set jit = off; set row_security = on")
		return err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(pool.Close)
	return pool
}

// dropRole forgets the role, as the server is shared.
func (l *lab) dropRole() {
	conn, err := pgx.Connect(context.Background(), l.db.DSN)
	if err != nil {
		return // the server has ended
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"drop owned by ", "drop role "} {
		if _, err := conn.Exec(context.Background(), sql+l.role); err != nil {
			l.Errorf("%s%s: %v", sql, l.role, err)
		}
	}
}

func (l *lab) ask(q Question) Answer {
	l.Helper()
	a, err := Explain(l.Context(), l.config, q)
	if err != nil {
		l.Fatalf("Explain(%+v): %v", q, err)
	}
	return a
}

// text is an answer as people read it, without what differs by server.
func (l *lab) text(a Answer) string {
	l.Helper()
	a.Database, a.Version = strings.ReplaceAll(a.Database, l.db.Name, "app"), "17.6"
	var b strings.Builder
	if err := a.WriteText(&b); err != nil {
		l.Fatal(err)
	}
	return b.String()
}

// refused is what is wrong with a question.
func (l *lab) refused(q Question) string {
	l.Helper()
	a, err := Explain(l.Context(), l.config, q)
	var wrong *QuestionError
	if !errors.As(err, &wrong) {
		l.Fatalf("Explain(%+v) answers %+v, %v; want a QuestionError", q, a, err)
	}
	return wrong.Error()
}
