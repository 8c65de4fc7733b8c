package fanout

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/logtest"
	"walcast/policy"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// heldTable has rows about which Postgres has to be asked. All roles may see
// them, but a question of the subject "held" waits while the test holds a lock.
const heldTable = `
	create table held (id int primary key, body text); grant select on held to authenticated;
	create function may_see(id int) returns boolean language plpgsql stable as $$
	begin
		if current_setting('request.jwt.claims')::json ->> 'sub' = 'held' then
			perform pg_advisory_xact_lock_shared(7);
		end if;
		return id > 0;
	end $$;
	alter table held enable row level security;
	create policy held on held for select to authenticated using (may_see(id))`

const (
	heldRows = `{"event":"*","schema":"public","table":"held"}`
	isHeld   = `{"sub":"held"}`
	isFree   = `{"sub":"free"}`
)

// newPatientFixture is newFixture with a long policy-timeout.
func newPatientFixture(t *testing.T, statements ...string) *fixture {
	t.Helper()
	f := newIdleFixture(t, statements...)
	f.policy = policy.New(policy.Config{AccessAge: time.Second, Timeout: time.Minute}, f.db.Pool, slog.New(slog.DiscardHandler), nil)
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	return f
}

// lock holds the lock that heldTable's policy waits for, until the returned
// function is called.
func (f *fixture) lock() (release func()) {
	f.Helper()
	conn, err := pgx.ConnectConfig(f.Context(), f.db.Pool.Config().ConnConfig)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := conn.Exec(f.Context(), "select pg_advisory_lock(7)"); err != nil {
		f.Fatal(err)
	}
	closed := false
	release = func() {
		if !closed {
			closed = true
			if err := conn.Close(context.Background()); err != nil {
				f.Error(err)
			}
		}
	}
	f.Cleanup(release)
	return release
}

// waitAsking waits until a policy waits for the lock.
func (f *fixture) waitAsking() {
	f.Helper()
	f.until("a policy waits for the lock", func() bool {
		var n int
		err := f.db.Pool.QueryRow(f.Context(), "select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())").Scan(&n)
		return err == nil && n > 0
	})
}

func TestASlowPolicyOfOneSubjectDelaysNobodyElse(t *testing.T) {
	f := newPatientFixture(t, messagesTable, heldTable)
	held, messages := f.Relation("held"), f.Relation("messages")
	release := f.lock()
	slow, asked, plain := newInbox(), newInbox(), newInbox()
	both := heldRows + "," + everyRow
	s := f.subscribe(slow, ask{role: "authenticated", claims: isHeld, bindings: both}, Start{})
	f.subscribe(asked, ask{role: "authenticated", claims: isFree, bindings: both}, Start{})
	f.subscribe(plain, ask{bindings: everyRow}, Start{})
	const n = 200
	for i := range n {
		f.Commit(logtest.Insert(held, fmt.Sprint(2*i+1), "x"), logtest.Insert(messages, fmt.Sprint(2*i+2), "1", "x"))
		if i == 0 {
			f.waitAsking()
		}
	}
	asked.wait(t, 2*n)
	plain.wait(t, n)
	if diff := cmp.Diff(rows(1, 2*n+1), asked.wait(t, 0)); diff != "" {
		t.Errorf("to the other subject (-want +got):\n%s", diff)
	}
	if got := slow.wait(t, 0); len(got) > 0 {
		t.Errorf("came %q while Postgres had not answered", got)
	}
	if at := s.Standing().Position; at.LSN > 0x1100 {
		t.Errorf("standing %s; want it before what waits", at)
	}
	release()
	if diff := cmp.Diff(rows(1, 2*n+1), slow.wait(t, 2*n)); diff != "" {
		t.Errorf("to the slow subject (-want +got):\n%s", diff)
	}
	f.until("nothing waits", func() bool { return f.fanout.asker.queued.Load() == 0 })
}

// Beyond the bound of a queue the subscription reads the log again.
func TestMoreThanMayWaitIsCaughtUpWith(t *testing.T) {
	f := newPatientFixture(t, messagesTable, heldTable)
	held, messages := f.Relation("held"), f.Relation("messages")
	release := f.lock()
	b, witness := newInbox(), newInbox()
	f.subscribe(b, ask{role: "authenticated", claims: isHeld, bindings: heldRows + "," + everyRow}, Start{})
	f.subscribe(witness, ask{bindings: everyRow}, Start{})
	const n = 6000
	f.Commit(logtest.Insert(held, "1", "x"))
	f.waitAsking()
	for i := 2; i <= n; i++ {
		if i%50 == 0 {
			f.Commit(logtest.Insert(held, fmt.Sprint(i), "x"))
			continue
		}
		f.Commit(logtest.Insert(messages, fmt.Sprint(i), "1", "x"))
	}
	witness.wait(t, n-n/50-1)
	f.waitLanes()
	if got := f.fanout.asker.queued.Load(); got > queuedMost {
		t.Errorf("%d bytes wait; want at most %d", got, queuedMost)
	}
	release()
	if diff := cmp.Diff(rows(1, n+1), b.wait(t, n)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestSubscriptionsChangeWhileTheirRowsAreUndecided(t *testing.T) {
	f := newPatientFixture(t, heldTable)
	held := f.Relation("held")
	release := f.lock()
	inboxes := map[string]*inbox{}
	subscriptions := map[string]*Subscription{}
	for _, name := range []string{"stays", "refreshed", "detached", "closed", "idle"} {
		inboxes[name] = newInbox()
		subscriptions[name] = f.subscribe(inboxes[name], ask{role: "authenticated", claims: isHeld, bindings: heldRows, published: func(string, string) {}}, Start{})
	}
	f.Commit(logtest.Insert(held, "1", "x"), said("room", 2))
	f.waitAsking()
	f.waitLanes()
	subscriptions["refreshed"].ActAs(f.subject("authenticated", isFree))
	subscriptions["detached"].Detach()
	subscriptions["closed"].Close()
	subscriptions["idle"].Idle(&subscriptions["idle"].request.Bindings[0])
	f.Commit(logtest.Insert(held, "3", "x"))
	f.waitLanes()
	release()
	for name, want := range map[string][]string{
		"stays": {"row 1", "message 2", "row 3"}, "refreshed": {"row 1", "message 2", "row 3"},
		"detached": {"message 2"}, "idle": {"row 1", "message 2", "row 3"},
	} {
		if diff := cmp.Diff(want, inboxes[name].wait(t, len(want))); diff != "" {
			t.Errorf("to the one that is %s (-want +got):\n%s", name, diff)
		}
	}
	if got := inboxes["closed"].wait(t, 0); len(got) > 0 {
		t.Errorf("to the one that is closed came %q", got)
	}
	f.until("nothing waits", func() bool { return f.fanout.asker.queued.Load() == 0 })
}

// A lane does not wait for what a role may see of a table.
func TestATableThatNobodyKnowsYetHoldsUpNobody(t *testing.T) {
	f := newFixture(t, messagesTable, heldTable, `create table fresh (id int primary key); grant select on fresh to authenticated, anon`)
	messages, fresh := f.Relation("messages"), f.Relation("fresh")
	both := everyRow + `,{"event":"*","schema":"public","table":"fresh"}`
	witness, b := newInbox(), newInbox()
	f.subscribe(witness, ask{role: "authenticated", claims: "{}", bindings: everyRow}, Start{})
	s := f.subscribe(b, ask{role: "authenticated", claims: "{}", bindings: both}, Start{})
	f.Commit(logtest.Insert(messages, "1", "1", "x"))
	b.wait(t, 1)
	var taken []*pgxpool.Conn
	for range f.db.Pool.Config().MaxConns {
		conn, err := f.db.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, conn)
	}
	f.Commit(logtest.Insert(fresh, "2"), said("room", 3), logtest.Insert(messages, "4", "1", "x"))
	if diff := cmp.Diff([]string{"row 1", "message 3", "row 4"}, witness.wait(t, 3)); diff != "" {
		t.Errorf("to who does not want the table (-want +got):\n%s", diff)
	}
	if got := b.wait(t, 0); len(got) != 1 {
		t.Errorf("came %q before anybody knew who may see it", got)
	}
	for _, conn := range taken {
		conn.Release()
	}
	if diff := cmp.Diff([]string{"row 1", "row 2", "message 3", "row 4"}, b.wait(t, 4)); diff != "" {
		t.Errorf("to who wants it (-want +got):\n%s", diff)
	}
	if s.attachedTo.Load() != &f.fanout.shardOf("realtime:room").direct.delivery {
		t.Error("the subscription has left the direct lane without any row under row-level security")
	}
}

// counted is the sum of a counter.
func counted(t *testing.T, reg *prometheus.Registry, name string) (n float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, m := range family.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// ownTable has compiled row-level security.
const ownTable = `create table mine (id int primary key, owner text); grant select on mine to authenticated;
	alter table mine enable row level security;
	create policy own on mine for select to authenticated using (owner = (select current_setting('request.jwt.claims', true)::json ->> 'sub'))`

func TestRowsOfAllKindsAndMessagesComeInOrder(t *testing.T) {
	f := newFixture(t, messagesTable, heldTable, ownTable)
	tables := []*wal.Relation{f.Relation("messages"), f.Relation("held"), f.Relation("mine")}
	b := newInbox()
	f.subscribe(b, ask{role: "authenticated", claims: isFree, bindings: everyRow + "," + heldRows + `,{"event":"*","schema":"public","table":"mine"},
		{"event":"*","schema":"public","table":"messages","filter":"body=match.^(x+)y\\1"}`}, Start{})
	const n = 800
	var want []string
	for i := range n {
		switch k := i * 7 % 4; k {
		case 0:
			f.Commit(logtest.Insert(tables[0], fmt.Sprint(i+1), "1", "xyx"))
		case 1:
			f.Commit(logtest.Insert(tables[1], fmt.Sprint(i+1), "x"), logtest.Insert(tables[1], fmt.Sprint(-i-1), "hidden"))
		case 2:
			f.Commit(logtest.Insert(tables[2], fmt.Sprint(i+1), "free"), logtest.Insert(tables[2], fmt.Sprint(-i-1), "another"))
		case 3:
			f.Commit(said("room", i+1))
			want = append(want, fmt.Sprint("message ", i+1))
			continue
		}
		want = append(want, fmt.Sprint("row ", i+1))
	}
	if diff := cmp.Diff(want, b.wait(t, n)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// While Postgres cannot be reached rows under row-level security wait, and none
// of them is lost.
func TestNothingIsLostWhenConnectionsEnd(t *testing.T) {
	f := newFixture(t, messagesTable, heldTable, ownTable)
	held, mine, messages := f.Relation("held"), f.Relation("mine"), f.Relation("messages")
	b := newInbox()
	f.subscribe(b, ask{role: "authenticated", claims: isFree, bindings: everyRow + "," + heldRows + `,{"event":"*","schema":"public","table":"mine"}`}, Start{})
	admin, err := pgx.ConnectConfig(t.Context(), f.db.Pool.Config().ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	const n = 60
	for i := 1; i <= n; i += 3 {
		if _, err := admin.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"); err != nil {
			t.Fatal(err)
		}
		f.Commit(logtest.Insert(held, fmt.Sprint(i), "x"), logtest.Insert(mine, fmt.Sprint(i+1), "free"), logtest.Insert(messages, fmt.Sprint(i+2), "1", "x"))
	}
	if diff := cmp.Diff(rows(1, n+1), b.wait(t, n)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// A row that was committed before a change of access is not judged by the rules
// that go after it, compiled or asked.
func TestARowFromBeforeAChangeOfAccessIsNotJudgedByTheNewRules(t *testing.T) {
	for name, c := range map[string]struct{ table, change string }{
		"compiled": {"mine", "alter policy own on mine using (true)"},
		"asked":    {"held", "create or replace function may_see(id int) returns boolean language sql stable as 'select true'"},
		"grants":   {"partly", "grant select on partly to authenticated"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, heldTable, ownTable, "create table partly (id int primary key, body text); grant select (id) on partly to authenticated")
			rel, b := f.Relation(c.table), newInbox()
			s := f.subscribe(b, ask{role: "authenticated", claims: isFree, bindings: `{"event":"*","schema":"public","table":"` + c.table + `"}`}, Start{})
			f.Commit(logtest.Insert(rel, "1", "free"))
			b.wait(t, 1)
			before := f.transaction()
			f.db.Exec(c.change)
			if _, err := f.policy.Confirm(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			f.Commit(by(before, logtest.Insert(rel, "-2", "secret of old")))
			f.Commit(by(f.transaction(), logtest.Insert(rel, "3", "free")))
			if diff := cmp.Diff([]string{"row 1", "resync " + codeAccessChanged, "row 3"}, b.wait(t, 3)); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
			f.waitSent(s)
			position := b.read(t, 2)[1].Payload.Position
			if position == nil {
				t.Fatal("the resync has no position")
			}
			if at, err := wal.ParsePosition(*position); err != nil || at.Compare(f.Changes.Head()) >= 0 {
				t.Errorf("position %s; want one before %s", *position, f.Changes.Head())
			}
		})
	}
}

// The lane's cursor has read the rows that wait for an answer. If the log drops
// them before the lane goes on they are lost too, and the notice has to say so.
func TestAResyncCoversTheRowsThatWaitToBeDecided(t *testing.T) {
	f := newPatientFixture(t, messagesTable, heldTable)
	held := f.Relation("held")
	slow := newInbox()
	s := f.subscribe(slow, ask{role: "authenticated", claims: isHeld, bindings: heldRows}, Start{})
	before := s.Started().Position
	f.Commit(logtest.Insert(held, "4", "x"))
	slow.wait(t, 1)
	f.until("the subscription is on the lane that asks", func() bool {
		return s.attachedTo.Load() == &f.fanout.shardOf("realtime:room").secured.delivery
	})
	release := f.lock()
	f.Commit(logtest.Insert(held, "1", "x"), logtest.Insert(held, "2", "x"))
	f.waitAsking()
	f.Commit(logtest.Insert(held, "3", "x"))
	f.Changes.Begin(changelog.History{System: "1", Timeline: 1, Slot: "another"}, f.LSN+0x100, changelog.CodeSlotLost)
	got := slow.read(t, 2)[1].Payload
	release()
	if got.Code != changelog.CodeSlotLost || got.From == nil {
		t.Fatalf("told %+v; want %s with a position", got, changelog.CodeSlotLost)
	}
	from, err := wal.ParsePosition(*got.From)
	if first := (wal.Position{LSN: f.LSN - 0x100}); err != nil || from.Compare(first) >= 0 || from.Compare(before) < 0 {
		t.Errorf("told from %s on; want from before the first row that waited, %s", *got.From, first)
	}
}

// heldRow is a filter of its own for each n, so that Postgres is asked about each.
func heldRow(n int) string {
	return fmt.Sprintf(`{"event":"*","schema":"public","table":"held","filter":"id=neq.%d"}`, -n)
}

// TestTokensOfOneAccountDelayNobodyElse has Postgres not answer about rows of several
// subjects that belong to one account. They are known to be quick by then.
func TestTokensOfOneAccountDelayNobodyElse(t *testing.T) {
	f := newPatientFixture(t, messagesTable, strings.Replace(heldTable, "= 'held' then", "= 'held' and id > 10 then", 1))
	held := f.Relation("held")
	release := f.lock()
	at := f.Changes.Standing()
	for i := range 20 {
		f.Commit(logtest.Insert(held, fmt.Sprint(i+1), "x"))
	}
	slow := make([]*inbox, 50)
	owners := map[owner]int{}
	for i := range slow {
		slow[i] = newInbox()
		s := f.subscribe(slow[i], ask{role: "authenticated", claims: fmt.Sprintf(`{"sub":"held","iat":%d}`, i), bindings: heldRow(i)}, Start{From: Proven, At: at})
		owners[s.owner()]++
	}
	f.waitAsking()
	other := newInbox()
	owners[f.subscribe(other, ask{role: "authenticated", claims: isFree, bindings: heldRows}, Start{From: Proven, At: at}).owner()]++
	if diff := cmp.Diff(rows(1, 21), other.wait(t, 20)); diff != "" {
		t.Errorf("to another account (-want +got):\n%s", diff)
	}
	if len(owners) != 2 {
		t.Errorf("the catch-ups of two accounts have turns of %d owners", len(owners))
	}
	release()
	for i, b := range slow {
		if diff := cmp.Diff(rows(1, 21), b.wait(t, 20)); diff != "" {
			t.Fatalf("to the slow one %d (-want +got):\n%s", i, diff)
		}
	}
}
