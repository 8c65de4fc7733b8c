package fanout

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/channels/live"
	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// rowsFixture is a fixture with snapshots, and their metrics.
type rowsFixture struct {
	*fixture
	registry *prometheus.Registry
}

// newRowsFixture is newFixture with snapshots.
func newRowsFixture(t testing.TB, begun bool, statements ...string) *rowsFixture {
	t.Helper()
	f := &rowsFixture{newIdleFixture(t, statements...), prometheus.NewRegistry()}
	config, err := pgxpool.ParseConfig(f.db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 2
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f.config.Keys = live.NewKeys(1_000_000)
	snapshots := live.NewSnapshots(live.SnapshotsConfig{
		Keys: f.config.Keys, Tables: logtest.Catalog(f.db), SnapshotLimits: live.DefaultSnapshotLimits(), Pool: pool, Publications: []string{"rows"}, Log: f.Changes, Policy: f.policy,
		Logger: slog.New(slog.DiscardHandler), Encode: EncodeRows(1 << 20),
	}, f.registry)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- snapshots.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	f.config.Snapshots = snapshots
	f.renew()
	if begun {
		f.Changes.Begin(firstHistory, f.LSN, "")
	}
	f.run()
	return f
}

// insertLater is a change that no snapshot sees.
func (f *rowsFixture) insertLater(id int) *wal.Change {
	c := logtest.Insert(f.Relation("messages"), fmt.Sprint(id), "1", "x")
	c.XID = 1 << 30
	return c
}

// memory is how many bytes the rows of snapshots take.
func (f *rowsFixture) memory() float64 {
	f.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "walcast_channels_snapshot_bytes" {
			return family.Metric[0].Gauge.GetValue()
		}
	}
	f.Fatal("no metric")
	return 0
}

const (
	tableOfRows = messagesTable + `; insert into messages select n, 1, 'x' from generate_series(1, 3) n`
	rowsFirst   = `{"event":"*","schema":"public","table":"messages","snapshot":true,"order":"id"}`
	begins      = "resync snapshot_begin"
	ends        = "resync snapshot_end"
)

var threeRows = []string{begins, "row 1", "row 2", "row 3", ends}

// wantAll waits for lines, and wants no others.
func (b *inbox) wantAll(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, b.wait(t, len(want))); diff != "" {
		t.Fatalf("came (-want +got):\n%s", diff)
	}
}

func TestNothingComesBeforeTheFirstRows(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows)
	b := newInbox()
	s := f.subscribe(b, ask{bindings: rowsFirst + `,{"event":"INSERT","schema":"public","table":"messages"}`}, Start{})
	f.Commit(f.insertLater(4), said("room", 1))
	f.waitLanes()
	if got := b.wait(t, 0); len(got) > 0 || !s.AwaitsRows() || s.Standing() != (changelog.Standing{}) {
		t.Errorf("before the bindings were armed came %q, and the standing is %v; want nothing", got, s.Standing())
	}
	s.Arm()
	b.wantAll(t, append(append([]string{}, threeRows...), "row 4", "message 1", f.end(2))...)
	f.waitSent(s)
	f.Commit(f.insertLater(5))
	b.wantAll(t, append(append([]string{}, threeRows...), "row 4", "message 1", f.end(0)[:0]+lineOf(b.frames[7]), "row 5", f.end(1))...)
	f.until("the rows take no memory", func() bool { return f.memory() == 0 })
}

// Whatever has the server lose its place: bindings with a snapshot get another one,
// others are told.
func TestASnapshotComesInPlaceOfAResync(t *testing.T) {
	plain := `{"event":"INSERT","schema":"public","table":"messages","filter":"id=gt.100"}`
	for name, lose := range map[string]func(*rowsFixture, *Subscription){
		"the rules of access have changed": func(f *rowsFixture, s *Subscription) {
			s.withDelivery(func(d *delivery) { d.waiting.outdate(s, d.standings.taken) })
		},
		"another history": func(f *rowsFixture, _ *Subscription) {
			f.Changes.Begin(changelog.History{System: "2", Slot: "walcast"}, f.LSN, changelog.CodeSlotLost)
		},
	} {
		for how, bindings := range map[string]string{"alone": rowsFirst, "beside another": plain + "," + rowsFirst} {
			for where, dedicated := range map[string]bool{"on a lane": false, "dedicated": true} {
				t.Run(name+", "+how+", "+where, func(t *testing.T) {
					f := newRowsFixture(t, true, tableOfRows)
					b := newInbox()
					s := f.subscribe(b, ask{bindings: bindings, dedicated: dedicated}, Start{})
					s.Arm()
					f.Commit(f.insertLater(4))
					want := append(append([]string{}, threeRows...), "row 4", f.end(1))
					b.wantAll(t, want...)
					f.waitSent(s)
					f.db.Exec("insert into messages values (9, 1, 'x')")
					lose(f, s)
					again := []string{begins, "row 1", "row 2", "row 3", "row 9", ends}
					reason := string(protocol.SnapshotResync)
					switch isAccess := strings.HasPrefix(name, "the rules"); {
					case isAccess && how != "alone": // the notice comes when the gap has not grown for a while
						again = append(again, "resync access_changed")
					case how != "alone":
						again = append([]string{"resync " + changelog.CodeSlotLost}, again...)
					}
					if want = append(want, again...); strings.HasPrefix(name, "the rules") { // the log still has what the new rows lack
						want, reason = append(want, "row 4", f.end(1)), string(protocol.SnapshotAccess)
					}
					b.wantAll(t, want...)
					var last pushed
					for i, frame := range b.read(t, len(want)) {
						if want[i] == begins {
							last = frame
						}
					}
					if last.Payload.Code != protocol.CodeSnapshotBegin || last.Payload.Reason != reason {
						t.Errorf("the second snapshot begins with %+v; want the reason %s", last, reason)
					}
					f.waitSent(s)
					f.Commit(f.insertLater(5))
					b.wantAll(t, append(want, "row 5", f.end(1))...)
				})
			}
		}
	}
}

// A client that takes nothing holds back neither Postgres nor other clients.
func TestASlowClientHoldsNothingBack(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows)
	slow, quick := newInbox(), newInbox()
	slow.full = make(chan struct{})
	s := f.subscribe(slow, ask{bindings: rowsFirst}, Start{})
	s.Arm()
	f.until("its rows are in memory", func() bool { return f.memory() > 0 })
	q := f.subscribe(quick, ask{bindings: strings.Replace(rowsFirst, `"order":"id"`, `"order":"id.asc"`, 1)}, Start{})
	q.Arm()
	quick.wantAll(t, threeRows...)
	var open int
	if err := f.db.Pool.QueryRow(t.Context(), `select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null`).Scan(&open); err != nil || open > 0 {
		t.Errorf("%d transactions are open, %v; want none", open, err)
	}
	f.Commit(f.insertLater(4))
	close(slow.full)
	slow.wantAll(t, append(append([]string{}, threeRows...), "row 4", f.end(1))...)
}

func TestAClientThatLeavesGivesItsRowsBack(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows)
	b := newInbox()
	b.full = make(chan struct{})
	s := f.subscribe(b, ask{bindings: rowsFirst}, Start{})
	s.Arm()
	f.until("its rows are in memory", func() bool { return f.memory() > 0 })
	s.Close()
	close(b.full)
	f.until("the rows take no memory", func() bool { return f.memory() == 0 })
	if got := b.wait(t, 0); len(got) > 0 {
		t.Errorf("after the end came %q", got)
	}
}

// A snapshot that cannot be had ends its binding, and others go on.
func TestARefusedSnapshotEndsItsBinding(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows, `create table docs (id int primary key, doc json); grant select on docs to anon`)
	unordered := `{"event":"*","schema":"public","table":"docs","snapshot":true,"order":"doc"}`
	both, alone := newInbox(), newInbox()
	f.subscribe(both, ask{bindings: unordered + "," + rowsFirst}, Start{}).Arm()
	both.wantAll(t, append([]string{"resync invalid_order"}, threeRows...)...)
	f.subscribe(alone, ask{bindings: unordered}, Start{}).Arm()
	alone.wantAll(t, "stopped invalid_order")
	f.Commit(f.insertLater(4))
	both.wantAll(t, append(append([]string{"resync invalid_order"}, threeRows...), "row 4", f.end(1))...)
}

// A new token before the rows: they are those of the new subject.
func TestFirstRowsAreForTheSubjectOfTheMoment(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows, `alter table messages enable row level security; create policy own on messages using (id = (current_setting('request.jwt.claims')::json ->> 'id')::int)`)
	b := newInbox()
	s := f.subscribe(b, ask{role: "authenticated", claims: `{"id":1}`, bindings: rowsFirst}, Start{})
	s.ActAs(f.subject("authenticated", `{"id":2}`))
	s.Arm()
	b.wantAll(t, begins, "row 2", ends)
	f.Commit(said("another room", 1)) // lanes go on
	s.Detach()
	s.ActAs(f.subject("authenticated", `{"id":3}`))
	f.waitLanes()
	if got := b.wait(t, 0); len(got) > 3 {
		t.Errorf("before the bindings are armed again came %q", got[3:])
	}
	s.Arm()
	b.wantAll(t, begins, "row 2", ends, begins, "row 3", ends)
}

func TestFirstRowsWaitForTheLogToBegin(t *testing.T) {
	f := newRowsFixture(t, false, tableOfRows)
	b := newInbox()
	s := f.subscribe(b, ask{bindings: rowsFirst}, Start{})
	s.Arm()
	f.Changes.Begin(firstHistory, f.LSN, "")
	b.wantAll(t, threeRows...)
	f.waitSent(s)
	f.Commit(f.insertLater(4))
	b.wantAll(t, append(append([]string{}, threeRows...), "row 4", f.end(1))...)
}

// Of what is behind the position only that comes which the client lacks; where that
// cannot be told a snapshot does.
func TestAResumeGetsASnapshotWhereItMustBe(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows)
	start := f.Changes.Standing().Position
	f.Commit(logtest.Insert(f.Relation("messages"), "4", "1", "x"))
	from := func(p wal.Position) string {
		return strings.Replace(rowsFirst, `"order"`, fmt.Sprintf(`"resume":{"from":%q},"order"`, p), 1)
	}
	good := newInbox()
	f.subscribe(good, ask{bindings: from(start), after: []wal.Position{start}}, Start{From: Named})
	good.wantAll(t, "row 4", f.end(1))
	f.releaseAll()
	old := newInbox()
	f.subscribe(old, ask{bindings: from(start), after: []wal.Position{start}}, Start{From: Named}).Arm()
	old.wantAll(t, threeRows...)
	mixed := newInbox()
	f.subscribe(mixed, ask{bindings: from(start) + "," + everyRow, after: []wal.Position{start, start}}, Start{From: Named}).Arm()
	mixed.wantAll(t, append([]string{"resync " + changelog.CodeTooOld}, threeRows...)...)
}
