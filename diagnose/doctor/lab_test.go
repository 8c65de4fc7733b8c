package doctor

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/devdb"
	"walcast/policy"
	"walcast/replication"
	"walcast/replication/catalog"
)

// lab is a database that is examined as walcast's own role, which is no superuser.
type lab struct {
	*testing.T
	db     *devdb.DB
	role   string
	config Config
}

// healthy is a database in which everything works.
const healthy = `create table t (id int primary key, note text); grant select on t to anon, authenticated; create publication rows for table t`

// newLab is a lab on the server that tests share, with the statements run.
func newLab(t *testing.T, statements ...string) *lab {
	t.Helper()
	return labOn(t, devdb.Open(t), statements...)
}

// newServer is a lab on a server of its own, whose settings may be changed.
func newServer(t *testing.T, settings map[string]string, statements ...string) *lab {
	t.Helper()
	return labOn(t, devdb.OpenServer(t, devdb.Options{Settings: settings}), statements...)
}

func labOn(t *testing.T, db *devdb.DB, statements ...string) *lab {
	t.Helper()
	devdb.SupabaseRoles(db)
	l := &lab{T: t, db: db, role: db.Name + "_walcast"}
	db.Exec("create role " + l.role + " login replication")
	t.Cleanup(func() { l.dropRole(l.role) })
	db.Exec("grant anon, authenticated, service_role to " + l.role)
	for _, s := range statements {
		l.run(s)
	}
	l.config = Config{
		Slot: "walcast", SlotWarnBytes: 10 << 30, Publications: []string{"rows"}, LogBytes: 64 << 20, Policy: policy.DefaultConfig(),
		Probe: probeOf(l.dsn()),
	}
	l.config.Slot = db.Name
	l.config.Pool = l.pool()
	return l
}

func probeOf(url string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return replication.Probe(ctx, url) }
}

// dropRole forgets a role that was made for the test; the server may be shared.
func (l *lab) dropRole(name string) {
	conn, err := pgx.Connect(context.Background(), l.db.DSN)
	if err != nil {
		return // the server has ended
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"drop owned by ", "drop role "} {
		if _, err := conn.Exec(context.Background(), sql+name); err != nil {
			l.Errorf("%s%s: %v", sql, name, err)
		}
	}
}

func (l *lab) dsn() string { return strings.Replace(l.db.DSN, "postgres@", l.role+"@", 1) }

// pool connects as walcast's role, in sessions like those of the server.
func (l *lab) pool() *pgxpool.Pool {
	l.Helper()
	config, err := pgxpool.ParseConfig(l.dsn())
	if err != nil {
		l.Fatal(err)
	}
	config.MaxConns = 2
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error { // as the server has it
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

// run runs SQL as somebody who may, each statement by itself: some refuse to be run with
// others. $role is walcast's role.
func (l *lab) run(sql string) {
	l.Helper()
	conn, err := pgx.Connect(l.Context(), l.db.DSN)
	if err != nil {
		l.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range split(strings.ReplaceAll(sql, "$role", l.role)) {
		if _, err := conn.Exec(l.Context(), statement); err != nil {
			l.Fatalf("%s: %v", statement, err)
		}
	}
}

// split splits SQL at semicolons outside of quotes.
func split(sql string) (statements []string) {
	dollar := false
	quoted := false
	start := 0
	for i := range len(sql) {
		switch {
		case strings.HasPrefix(sql[i:], "$$"):
			dollar = !dollar
		case sql[i] == '\'':
			quoted = !quoted
		case sql[i] == ';' && !dollar && !quoted:
			statements, start = append(statements, sql[start:i]), i+1
		}
	}
	return slices.DeleteFunc(append(statements, sql[start:]), func(s string) bool { return strings.TrimSpace(s) == "" })
}

// examine examines the database, narrowed to tables of schema public.
func (l *lab) examine(tables ...string) Report {
	l.Helper()
	var s Scope
	for _, name := range tables {
		s.Tables = append(s.Tables, catalog.TableName{Schema: "public", Table: name})
	}
	return l.within(s)
}

func (l *lab) within(s Scope) Report {
	l.Helper()
	l.config.Pool.Reset() // so that settings of the role count
	report, err := Examine(l.Context(), l.config, s)
	if err != nil {
		l.Fatalf("Examine: %v", err)
	}
	return report
}

// of returns the findings with a code.
func (r Report) of(code string) (findings []Finding) {
	for _, f := range r.Findings {
		if f.Code == code {
			findings = append(findings, f)
		}
	}
	return findings
}

// want fails if there is no finding that is like another, whose texts are parts of its own.
func (l *lab) want(r Report, like Finding) {
	l.Helper()
	like = l.named(like)
	for _, f := range r.of(like.Code) {
		if f.Verdict == like.Verdict && f.About == like.About && strings.Contains(f.Reason, like.Reason) && f.Fix == like.Fix &&
			strings.Contains(f.Cost, like.Cost) && strings.Contains(f.By, like.By) && strings.Contains(f.Advice, like.Advice) && f.Restart == like.Restart {
			return
		}
	}
	l.Errorf("want a finding like\n%+v\nin\n%s", like, r)
}

// named puts the names of this lab into what is wanted.
func (l *lab) named(f Finding) Finding {
	r := strings.NewReplacer("$role", l.role, "$db", l.db.Name)
	f.About.Name, f.Reason, f.Fix, f.Cost, f.Advice = r.Replace(f.About.Name), r.Replace(f.Reason), r.Replace(f.Fix), r.Replace(f.Cost), r.Replace(f.Advice)
	return f
}

// String is the report as people read it.
func (r Report) String() string {
	var b strings.Builder
	_ = r.WriteText(&b) // a Builder takes everything
	return b.String()
}

func (l *lab) major() int { return l.db.Server.Major }
