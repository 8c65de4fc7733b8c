package live

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"walcast/diagnose"
	"walcast/internal/await"
	"walcast/internal/devdb"
	"walcast/internal/logtest"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/rowjson"
	"walcast/replication/wal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

const patient = time.Minute // how long a test waits for what must come

// lab is snapshots of a real database, whose log the test writes by hand.
type lab struct {
	testing.TB
	*logtest.Writer
	db        *devdb.DB
	policy    *policy.Policy
	snapshots *Snapshots
	registry  *prometheus.Registry
	log       *await.Output
}

// newLab makes a database by the statements and publishes all its tables.
func newLab(t testing.TB, limits func(*SnapshotLimits), statements ...string) *lab {
	t.Helper()
	return labOn(t, limits, logtest.Database(t, statements...))
}

func labOn(t testing.TB, limits func(*SnapshotLimits), db *devdb.DB) *lab {
	t.Helper()
	l := &lab{TB: t, Writer: logtest.NewWriter(t, db), db: db, registry: prometheus.NewRegistry(), log: await.NewOutput()}
	l.Changes.Begin(changelog.History{System: "1", Slot: "walcast"}, l.LSN, "")
	l.policy = policy.New(policy.DefaultConfig(), db.Pool, slog.New(slog.DiscardHandler), nil)
	c := SnapshotsConfig{
		SnapshotLimits: DefaultSnapshotLimits(), Publications: []string{"rows"}, Log: l.Changes, Policy: l.policy, Logger: slog.New(slog.NewTextHandler(l.log, nil)),
		Encode: func(b *diagnose.Binding, view *policy.View) func([]byte, wal.Row, time.Time) []byte {
			return func(dst []byte, row wal.Row, _ time.Time) []byte {
				return rowjson.Encoding{}.AppendRecord(dst, view.Relation, row, nil)
			}
		},
	}
	if limits != nil {
		limits(&c.SnapshotLimits)
	}
	config, err := pgxpool.ParseConfig(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = int32(c.SnapshotConnections)
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	if c.Pool, err = pgxpool.NewWithConfig(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Pool.Close)
	l.snapshots = NewSnapshots(c, l.registry)
	return l
}

// run takes snapshots until the test ends.
func (l *lab) run() *lab {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.snapshots.Run(ctx) }()
	l.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			l.Errorf("Run = %v; want nil", err)
		}
	})
	return l
}

// subject is held until the test ends.
func (l *lab) subject(role, claims string) *policy.Subject {
	s := l.policy.Subject(role, claims)
	l.Cleanup(func() { l.policy.Release(s) })
	return s
}

// bindings are those of a join with entries of postgres_changes.
func (l *lab) bindings(entries string) (all []*diagnose.Binding) {
	l.Helper()
	join, err := protocol.ParseJoin("room", []byte(`{"config":{"postgres_changes":[`+entries+`]}}`))
	if err != nil {
		l.Fatal(err)
	}
	parsed, refused := diagnose.Parse(join.Bindings)
	if refused != nil {
		l.Fatal(refused.Message)
	}
	for i := range parsed {
		all = append(all, &parsed[i])
	}
	return all
}

// of is a binding with a snapshot of a table, with more keys.
func of(table, more string) string {
	return `{"event":"*","schema":"public","table":"` + table + `","snapshot":true` + more + `}`
}

func (l *lab) wait(a *Asked) (*Snapshot, error) {
	l.Helper()
	select {
	case <-a.Done():
	case <-time.After(patient):
		l.Fatalf("no snapshot within %s", patient)
	}
	return a.Result()
}

// take is a snapshot of entries, which stays until the test ends.
func (l *lab) take(role, claims, entries string) (*Snapshot, error) {
	l.Helper()
	a := l.snapshots.Ask(SnapshotRequest{Subject: l.subject(role, claims), Bindings: l.bindings(entries)})
	l.Cleanup(a.Release)
	return l.wait(a)
}

// rows are the records of a binding of a snapshot, one a line.
func rowsOf(t testing.TB, s *Snapshot, binding int) string {
	t.Helper()
	var lines []string
	for from := 0; from < s.Counts[binding]; {
		some, _, ok := s.Rows(binding, from, 1)
		if !ok {
			t.Fatal("the snapshot was revoked")
		}
		for _, row := range some {
			lines = append(lines, string(row))
		}
		from += len(some)
	}
	return strings.Join(lines, "\n")
}

// want takes a snapshot and wants rows.
func (l *lab) want(role, claims, entry string, rows ...string) *Snapshot {
	l.Helper()
	s, err := l.take(role, claims, entry)
	if err != nil {
		l.Fatalf("snapshot of %s = %v", entry, err)
	}
	got := strings.Split(rowsOf(l, s, 0), "\n")
	if s.Counts[0] == 0 {
		got = nil
	}
	if !slices.Equal(got, rows) {
		l.Errorf("snapshot of %s = %q; want %q", entry, got, rows)
	}
	return s
}

// refused takes a snapshot and wants a refusal.
func (l *lab) refused(role, claims, entry, code string) *RefusedError {
	l.Helper()
	s, err := l.take(role, claims, entry)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Problem.Code != code {
		l.Fatalf("snapshot of %s = %+v, %v; want a refusal with %s", entry, s, err, code)
	}
	return refused
}

func (l *lab) until(what string, done func() bool) {
	l.Helper()
	await.True(l, patient, what, done)
}

// metric is the value of a counter or gauge, with a label or without.
func (l *lab) metric(name, label string) float64 {
	l.Helper()
	families, err := l.registry.Gather()
	if err != nil {
		l.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && (label == "" || m.Label[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// session is a connection of the test's own.
func (l *lab) session() *pgx.Conn {
	l.Helper()
	conn, err := pgx.Connect(context.Background(), l.db.DSN)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (l *lab) exec(conn *pgx.Conn, sql string) {
	l.Helper()
	if _, err := conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		l.Fatalf("%s: %v", sql, err)
	}
}

// devdbServer is a database with notes on a server of its own.
func devdbServer(t *testing.T) *devdb.DB {
	t.Helper()
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(notes)
	db.Exec("create publication rows for all tables")
	return db
}

func isAway(err error) bool {
	var away *AwayError
	return errors.As(err, &away)
}
