package fanout

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/filters"
	"walcast/internal/logtest"
	"walcast/policy"
)

const bothTables = everyRow + `,{"event":"*","schema":"public","table":"own"}`

func TestRowsThatPostgresJudgesComeInOrderWithTheOthers(t *testing.T) {
	f := newFixture(t, messagesTable, friendsTable)
	f.db.Exec("insert into friends values ('" + ann + "', '" + ann + "')")
	messages, own := f.Relation("messages"), f.Relation("own")
	b := newInbox()
	s := f.subscribe(b, ask{role: "authenticated", claims: annsClaims, bindings: bothTables}, Start{})
	const n = 300
	var want []string
	for i := range n {
		owner := ann
		if i%3 == 0 {
			owner = bob
		}
		f.Commit(logtest.Insert(messages, fmt.Sprint(4*i), "2", "x"), logtest.Insert(own, fmt.Sprint(4*i+1), owner), said("room", 4*i+2),
			logtest.Insert(messages, fmt.Sprint(4*i+3), "2", "x"))
		want = append(want, fmt.Sprint("row ", 4*i))
		if i%3 != 0 {
			want = append(want, fmt.Sprint("row ", 4*i+1))
		}
		want = append(want, fmt.Sprint("message ", 4*i+2), fmt.Sprint("row ", 4*i+3))
	}
	if diff := cmp.Diff(want, b.wait(t, len(want))); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	f.until("the subscription is on the lane that asks", func() bool {
		return s.attachedTo.Load() == &f.fanout.shardOf("realtime:room").secured.delivery
	})
}

// Rows that are certain do not wait for others' rows that are asked about.
func TestTheDirectLaneDoesNotWaitForPostgres(t *testing.T) {
	f := newFixture(t, messagesTable, friendsTable)
	messages, own := f.Relation("messages"), f.Relation("own")
	certain, asked := newInbox(), newInbox()
	f.subscribe(certain, ask{bindings: everyRow}, Start{})
	f.subscribe(asked, ask{role: "authenticated", claims: annsClaims, bindings: bothTables}, Start{})
	f.db.Exec("insert into friends values ('" + ann + "', '" + ann + "')")
	f.Commit(logtest.Insert(messages, "1", "1", "x"), logtest.Insert(own, "2", ann))
	asked.wait(t, 2) // what both lanes look up once
	locked, err := f.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := locked.Exec(t.Context(), "lock table friends"); err != nil {
		t.Fatal(err)
	}
	f.Commit(logtest.Insert(messages, "3", "1", "x"), logtest.Insert(own, "4", ann), said("room", 5))
	if diff := cmp.Diff([]string{"row 1", "row 3", "message 5"}, certain.wait(t, 3)); diff != "" {
		t.Errorf("to who needs no asking (-want +got):\n%s", diff)
	}
	if got := asked.wait(t, 0); slices.Contains(got, "row 4") {
		t.Errorf("came %q before Postgres has answered", got)
	}
	if err := locked.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"row 1", "row 2", "row 3", "row 4", "message 5"}, asked.wait(t, 5)); diff != "" {
		t.Errorf("to who is asked about (-want +got):\n%s", diff)
	}
}

func TestAPolicyThatRaisesIsToldOnce(t *testing.T) {
	f := newFixture(t, `create table faulty (id int primary key, body text); grant select on faulty to authenticated;
		alter table faulty enable row level security;
		create policy faulty on faulty for select to authenticated using (exists (select where body::int > random()))`)
	rel := f.Relation("faulty")
	b := newInbox()
	s := f.subscribe(b, ask{role: "authenticated", claims: "{}", bindings: `{"event":"*","schema":"public","table":"faulty"}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", "10"), logtest.Insert(rel, "2", "x"), logtest.Insert(rel, "3", "y"), logtest.Insert(rel, "4", "10"))
	f.waitSent(s)
	if diff := cmp.Diff([]string{"row 1", "problem policy_raised", "row 4"}, b.wait(t, 3)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestARoleThatIsNoneIsShownNothing(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	nobody, witness := newInbox(), newInbox()
	s := f.subscribe(nobody, ask{role: "nobody", claims: "{}", bindings: everyRow}, Start{})
	f.subscribe(witness, ask{bindings: everyRow}, Start{})
	f.Commit(logtest.Insert(rel, "1", "1", "x"))
	witness.wait(t, 1)
	f.waitSent(s)
	if got := nobody.wait(t, 0); len(got) > 0 {
		t.Errorf("came %q; want nothing", got)
	}
}

// TestAChangedRoleIsCompiledAgainWithoutARelationMessage: none comes when a role
// is granted.
func TestAChangedRoleIsCompiledAgainWithoutARelationMessage(t *testing.T) {
	f := newIdleFixture(t, `create table docs (id int primary key, org int); alter table docs enable row level security`)
	editor, reader := f.role("editor"), f.role("reader")
	f.db.Exec("grant select on docs to " + reader)
	f.db.Exec("create policy team on docs for select to " + editor + " using (org = 7)")
	asks := prometheus.NewRegistry()
	f.policy = policy.New(policy.Config{AccessAge: 200 * time.Millisecond, Timeout: 5 * time.Second}, f.db.Pool, slog.New(slog.DiscardHandler), asks)
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	docs, b := f.Relation("docs"), newInbox()
	s := f.subscribe(b, ask{role: reader, claims: "{}", bindings: `{"event":"*","schema":"public","table":"docs"}`}, Start{})
	f.Commit(logtest.Insert(docs, "1", "7"))
	f.waitSent(s)
	f.db.Exec("grant " + editor + " to " + reader)
	if _, err := f.policy.Confirm(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	id := 2
	f.until("rows come once the role is granted", func() bool {
		f.CatchUp()
		f.Commit(logtest.Insert(docs, fmt.Sprint(id), "7"), logtest.Insert(docs, fmt.Sprint(-id), "8"))
		id++
		return len(b.wait(t, 0)) >= 10
	})
	if n := asksOf(t, asks); n > 0 {
		t.Errorf("Postgres was asked %v times about rows; want never", n)
	}
	for _, line := range b.wait(t, 0) {
		if line == "row 1" || line[:5] == "row -" {
			t.Errorf("%s came; it was not to be seen", line)
		}
	}
}

// TestRulesThatAreReadAnewWhileRowsMatchAreNotUsedAfterwards: while the rules of a table
// are read again its index may be made of those from before.
func TestRulesThatAreReadAnewWhileRowsMatchAreNotUsedAfterwards(t *testing.T) {
	f := newIdleFixture(t, `create table docs (id int primary key, org int); alter table docs enable row level security; grant select on docs to public`)
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	docs, b := f.Relation("docs"), newInbox()
	s := f.subscribe(b, ask{bindings: `{"event":"*","schema":"public","table":"docs"}`}, Start{})
	f.knows()
	f.until("the delivery that has the subscription knows the table's rules", func() (known bool) {
		f.Commit(by(f.transaction(), logtest.Insert(docs, "1", "7")))
		f.waitSent(s) // by then it may have moved to one that has not matched a row yet
		s.withDelivery(func(d *delivery) {
			tables := &d.matcher.tables
			if table := tables.byOID[docs.OID]; table != nil && table.views["anon"] != nil {
				known = true
				tables.forget(table, "anon")
				d.matcher.attached.index.Match(logtest.Insert(docs, "2", "7"), func(*binding, filters.Truth) { t.Error("a row matches that no policy shows") })
			}
		})
		return known
	})
	f.db.Exec("alter table docs disable row level security")
	f.knows()
	f.Commit(by(f.transaction(), logtest.Insert(docs, "3", "7")))
	if got := b.wait(t, 1); !slices.Equal(got, []string{"row 3"}) {
		t.Errorf("came %q; want the row that everybody may see by now", got)
	}
}

// role makes a role of this test only; it goes with the test.
func (f *fixture) role(suffix string) string {
	name := f.db.Name + "_" + suffix
	f.db.Exec("create role " + name + " nologin")
	f.Cleanup(func() {
		for _, s := range []string{"drop owned by %s cascade", "drop role %s"} {
			if _, err := f.db.Pool.Exec(context.Background(), fmt.Sprintf(s, name)); err != nil {
				f.Errorf("%s %s: %v", s, name, err)
			}
		}
	})
	return name
}

// asksOf is how many statements asked Postgres about rows.
func asksOf(t *testing.T, reg *prometheus.Registry) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "walcast_policy_asks_total" {
			for _, m := range family.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// A transaction may change access and rows at once, and the WAL has it before
// Postgres shows it to others: its rows do not go out by what held before it.
func TestARowWaitsForItsTransactionToBeSeen(t *testing.T) {
	for way, c := range map[string]struct{ condition, taken string }{
		"rules":  {"(select auth.uid()) = owner", "alter policy own on own using (false)"},
		"tables": {"exists (select from friends where friend = auth.uid() and friends.id = owner)", "delete from friends"},
	} {
		t.Run(way, func(t *testing.T) {
			f := newFixture(t, "create table friends (id uuid primary key, friend uuid); grant select on friends to authenticated",
				`create table own (id int primary key, owner uuid); alter table own enable row level security;
				grant select on own to authenticated; create policy own on own for select to authenticated using (`+c.condition+`)`)
			f.db.Exec("insert into friends values ('" + ann + "', '" + ann + "')")
			own := f.Relation("own")
			b := newInbox()
			f.subscribe(b, ask{role: "authenticated", claims: annsClaims, bindings: `{"event":"*","schema":"public","table":"own"}`}, Start{})
			f.Commit(logtest.Insert(own, "1", ann))
			b.wait(t, 1)
			tx, err := f.db.Pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }() // for a test that has failed
			secret := logtest.Insert(own, "2", ann)
			if err := tx.QueryRow(t.Context(), "select pg_current_xact_id()::text::bigint").Scan(&secret.XID); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), c.taken); err != nil {
				t.Fatal(err)
			}
			f.Commit(secret)
			for range 5 { // looks, of which none has seen the transaction
				if _, err := f.policy.Confirm(t.Context(), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			if got := b.wait(t, 1); len(got) > 1 {
				t.Errorf("came %q before Postgres shows what the transaction has done", got)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.CatchUp()
			f.Commit(logtest.Insert(own, "3", ann), said("room", 4))
			if got := b.wait(t, 2); slices.Contains(got, "row 2") || slices.Contains(got, "row 3") {
				t.Errorf("came %q; want no row that the transaction has hidden", got)
			}
		})
	}
}

// One look is enough for all changes that the log had when it was asked for.
func TestABacklogIsConfirmedByOneLook(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.Changes.Begin(firstHistory, f.LSN, "")
	messages := f.Relation("messages")
	l := f.fanout.shards[0].secured
	l.begin(f.Changes.Standing().History)
	f.Commit(logtest.Insert(messages, "1", "1", "x"))
	first := f.Changes.Head()
	f.Commit(logtest.Insert(messages, "2", "1", "x"))
	readAt := l.delivery.readBefore(first)
	if got := l.delivery.readBefore(f.Changes.Head()); !got.Equal(readAt) {
		t.Error("a change that the log had already asks for another look")
	}
	f.Commit(logtest.Insert(messages, "3", "1", "x"))
	if got := l.delivery.readBefore(f.Changes.Head()); !got.After(readAt) {
		t.Error("a change that came later is confirmed by the earlier look")
	}
}
