package fanout

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

func TestASubscriptionGoesOnAfterTheNamedPosition(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	var changes []*wal.Change
	for i := range 500 {
		changes = append(changes, logtest.Insert(rel, fmt.Sprint(i), "2", "x"))
	}
	f.Commit(changes[:200]...)
	from := changes[99].Position
	f.Commit(changes[200:400]...)
	b := newInbox()
	s := f.subscribe(b, ask{bindings: everyRow, after: []wal.Position{from}}, Start{From: Named})
	if got, want := s.Started(), (changelog.Standing{History: firstHistory, Position: from}); got != want {
		t.Errorf("Started = %v; want %v", got, want)
	}
	f.Commit(changes[400:]...)
	if diff := cmp.Diff(rows(100, 500), b.wait(t, 400)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

// Each binding has its own position, and a binding without one is live.
func TestBindingsGoOnWhereEachOfThemWas(t *testing.T) {
	f := newFixture(t, messagesTable, `create table a (id int); create table b (id int); create table c (id int); grant all on a, b, c to anon`)
	var after []wal.Position
	for _, table := range []string{"a", "b", "c"} {
		old, next := logtest.Insert(f.Relation(table), "1"), logtest.Insert(f.Relation(table), "2")
		f.Commit(old, next)
		after = append(after, old.Position)
	}
	after[1] = wal.Position{} // names none
	b := newInbox()
	f.subscribe(b, ask{
		bindings: `{"event":"*","schema":"public","table":"a"},{"event":"*","schema":"public","table":"b"},{"event":"*","schema":"public","table":"c"}`,
		after:    after,
	}, Start{From: Named})
	f.Commit(logtest.Insert(f.Relation("b"), "3"))
	if diff := cmp.Diff([]string{"row 2", "row 2", "row 3"}, b.wait(t, 3)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestWhatIsGoneIsToldAndTheRestFollows(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.config.ResumeWait = time.Millisecond // of a position that never comes
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	rel := f.Relation("messages")
	at := f.Changes.Standing()
	f.Commit(logtest.Insert(rel, "1", "1", "gone"))
	f.releaseAll()
	f.Commit(logtest.Insert(rel, "2", "1", "kept"))
	f.waitLanes()
	for _, c := range []struct {
		name  string
		start Start
		after wal.Position
		code  string
	}{
		{"proven, but left the log", Start{From: Proven, At: at}, wal.Position{}, changelog.CodeTooOld},
		{"proven, of another history", Start{From: Proven, At: changelog.Standing{History: changelog.History{System: "2"}, Position: at.Position}}, wal.Position{}, changelog.CodeHistory},
		{"named, but left the log", Start{From: Named}, at.Position, changelog.CodeTooOld},
		{"named, but no position of a change", Start{From: Named}, wal.Position{LSN: f.LSN + 8}, changelog.CodeUnknown},
		{"forgotten", Start{Forgotten: true}, wal.Position{}, changelog.CodeUnknown},
		{"no position at all", Start{Resync: &changelog.ResyncError{Code: changelog.CodeUnknown}}, wal.Position{}, changelog.CodeUnknown},
	} {
		b := newInbox()
		f.subscribe(b, ask{bindings: everyRow, after: []wal.Position{c.after}}, c.start)
		position := f.Changes.Live().String()
		b.wait(t, 1)
		f.Commit(logtest.Insert(rel, "3", "1", "news"))
		if diff := cmp.Diff([]string{"resync " + c.code, "row 3"}, b.wait(t, 2)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if told := b.read(t, 1)[0].Payload; told.Position == nil || *told.Position != position {
			t.Errorf("%s: told %v; want position %s", c.name, told.Position, position)
		}
	}
}

// A client that names a position gets its rows, but it is not known which
// broadcasts it has missed.
func TestAForgottenClientThatNamesAPositionIsToldBeforeItsRows(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	first := logtest.Insert(rel, "1", "1", "had")
	f.Commit(first)
	f.Commit(logtest.Insert(rel, "2", "1", "missed"))
	b := newInbox()
	f.subscribe(b, ask{bindings: everyRow, after: []wal.Position{first.Position}}, Start{From: Named, Forgotten: true})
	if diff := cmp.Diff([]string{"resync " + changelog.CodeUnknown, "row 2"}, b.wait(t, 2)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if told := b.read(t, 1)[0].Payload; told.From != nil || *told.Position != first.Position.String() {
		t.Errorf("told %+v; want from null and position %s", told, first.Position)
	}
}

func TestBeforeTheLogBeginsNobodyIsToldWhatItMisses(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.config.ResumeWait = time.Millisecond
	f.renew()
	f.run()
	forgotten, named := newInbox(), newInbox()
	f.subscribe(forgotten, ask{bindings: everyRow}, Start{Forgotten: true})
	f.subscribe(named, ask{bindings: everyRow, after: []wal.Position{{LSN: 0xFFF}}}, Start{From: Named})
	gone := f.fanout.Subscribe(f.request(newInbox(), ask{bindings: everyRow}), Start{Forgotten: true})
	rel := f.Relation("messages") // which takes longer than ResumeWait
	gone.Close()
	for name, b := range map[string]*inbox{"forgotten": forgotten, "naming a position": named} {
		if got := b.wait(t, 0); len(got) > 0 {
			t.Errorf("the client %s is told %q before the log has begun; want nothing", name, got)
		}
	}
	f.Changes.Begin(firstHistory, f.LSN, "")
	forgotten.wait(t, 1)
	f.Commit(logtest.Insert(rel, "1", "1", "one"))
	f.Commit(logtest.Insert(rel, "2", "1", "two"))
	want := []string{"resync " + changelog.CodeUnknown, "row 1", "row 2"}
	if diff := cmp.Diff(want, forgotten.wait(t, 3)); diff != "" {
		t.Errorf("to the client that is forgotten (-want +got):\n%s", diff)
	}
	if told := forgotten.read(t, 1)[0].Payload; told.From != nil || *told.Position != "0/FFF:0" {
		t.Errorf("told %+v; want from null and position 0/FFF:0", told)
	}
	if diff := cmp.Diff(rows(1, 3), named.wait(t, 2)); diff != "" {
		t.Errorf("to the client that names a position (-want +got):\n%s", diff)
	}
}

// A catch-up waits for a client that does not read, and no other client waits
// with it. Of the catch-ups of one session one sends at a time.
func TestCatchUpsWaitForRoom(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	at := f.Changes.Standing()
	for i := range 10 {
		f.Commit(logtest.Insert(rel, fmt.Sprint(i), "1", "x"), said("room", i))
	}
	f.waitLanes()
	slow, second, other, live := newInbox(), newInbox(), newInbox(), newInbox()
	slow.full = make(chan struct{})
	session := &Session{}
	f.subscribe(slow, ask{bindings: everyRow, session: session}, Start{From: Proven, At: at})
	f.until("the slow client is waited for", func() bool {
		free := session.catchUps.mu.TryLock()
		if free {
			session.catchUps.mu.Unlock()
		}
		return !free
	})
	waiting := f.subscribe(second, ask{bindings: everyRow, session: session}, Start{From: Proven, At: at})
	f.subscribe(live, ask{bindings: everyRow}, Start{})
	f.subscribe(other, ask{bindings: everyRow}, Start{From: Proven, At: at})
	var want []string
	for i := range 11 {
		want = append(want, fmt.Sprint("row ", i), fmt.Sprint("message ", i))
	}
	f.Commit(logtest.Insert(rel, "10", "1", "x"), said("room", 10))
	if diff := cmp.Diff(want, other.wait(t, len(want))); diff != "" {
		t.Errorf("to another session (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[20:], live.wait(t, 2)); diff != "" {
		t.Errorf("to who is live (-want +got):\n%s", diff)
	}
	if got := waiting.Standing(); got.Position.Compare(at.Position) != 0 || len(slow.wait(t, 0))+len(second.wait(t, 0)) > 0 {
		t.Errorf("without room came %q and %q, up to %v; want nothing", slow.lines, second.lines, got)
	}
	close(slow.full)
	for _, b := range []*inbox{slow, second} {
		if diff := cmp.Diff(want, b.wait(t, len(want))); diff != "" {
			t.Errorf("once there is room (-want +got):\n%s", diff)
		}
	}
}

// A fanout that stops does not wait for clients.
func TestStoppingDoesNotWaitForRoom(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.Changes.Begin(firstHistory, f.LSN, "")
	at := f.Changes.Standing()
	f.Commit(logtest.Insert(f.Relation("messages"), "1", "1", "x"))
	b := newInbox()
	b.full = make(chan struct{})
	f.subscribe(b, ask{bindings: everyRow}, Start{From: Proven, At: at})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.fanout.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
}

const friendsTable = `create table own (id int primary key, owner uuid);
	create table friends (owner uuid, friend uuid);
	grant all on own, friends to anon, authenticated;
	alter table own enable row level security;
	create policy friends on own for select to authenticated using (exists (
		select from friends f where f.owner = own.owner and f.friend = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid))`

const (
	ann = "00000000-0000-4000-8000-00000000000a"
	bob = "00000000-0000-4000-8000-00000000000b"

	annsClaims = `{"sub":"` + ann + `"}`
)

// TestEveryDeliveryBringsEverythingOnceAndInOrder has subscriptions come at any
// time, go and come back, while rows that Go decides on, rows that Postgres
// decides on and messages flow. Each gets everything that it is to get, in
// order and once, on the direct lane, the secured lane, a catch-up, or one
// after the other.
func TestEveryDeliveryBringsEverythingOnceAndInOrder(t *testing.T) {
	f := newFixture(t, messagesTable, friendsTable)
	f.db.Exec("insert into friends values ('" + ann + "', '" + ann + "')")
	messages, own := f.Relation("messages"), f.Relation("own")
	var lines []string // all that is committed, one line a change
	var mu sync.Mutex
	position := func() (changelog.Standing, int) { // and how much was committed by then
		mu.Lock()
		defer mu.Unlock()
		return f.Changes.Standing(), len(lines)
	}
	var work sync.WaitGroup
	stop := make(chan struct{})
	work.Go(func() {
		ticker := time.NewTicker(500 * time.Microsecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-ticker.C:
			}
			mu.Lock()
			f.Commit(said("room", 4*i), logtest.Insert(messages, fmt.Sprint(4*i+1), "1", "x"), logtest.Insert(own, fmt.Sprint(4*i+2), ann),
				said("elsewhere", 0), said("room", 4*i+3), logtest.Insert(own, "0", bob))
			lines = append(lines, fmt.Sprint("message ", 4*i), fmt.Sprint("row ", 4*i+1), fmt.Sprint("row ", 4*i+2), fmt.Sprint("message ", 4*i+3))
			mu.Unlock()
		}
	})
	type visit struct {
		b    *inbox
		from int // how many lines came before it
		rows bool
	}
	var visits []visit
	both := everyRow + `,{"event":"*","schema":"public","table":"own"}`
	for i := range 40 {
		at, n := position()
		v := visit{newInbox(), n, i%3 != 0}
		a := ask{role: "authenticated", claims: annsClaims, recognised: true}
		if v.rows {
			a.bindings = both
		}
		start := Start{From: Proven, At: at}
		if i%2 == 0 { // as if it had proven nothing for a while
			start.At, v.from = changelog.Standing{History: at.History, Position: wal.Before(0x1000)}, 0
		}
		s := f.fanout.Subscribe(f.request(v.b, a), start)
		visits = append(visits, v)
		if i%4 != 1 {
			t.Cleanup(s.Close)
			continue
		}
		// It leaves, and comes back where it had everything.
		v.b.wait(t, 1)
		start.At = s.Standing()
		s.Close()
		v.b.mu.Lock()
		had := slices.Clone(v.b.lines)
		v.b.mu.Unlock()
		next := newInbox()
		f.subscribe(next, a, start)
		visits[i].b = next
		next.mu.Lock()
		next.lines, next.frames = slices.Concat(had[:proven(had, start.At)], next.lines), nil
		next.mu.Unlock()
	}
	close(stop)
	work.Wait()
	for i, v := range visits {
		want := lines[v.from:]
		if !v.rows {
			want = slices.DeleteFunc(slices.Clone(want), func(line string) bool { return line[0] == 'r' })
		}
		got := v.b.wait(t, len(want))
		if diff := cmp.Diff(want, got); diff != "" && !slices.Equal(want, got) {
			t.Fatalf("visit %d, rows %t (-want +got):\n%s", i, v.rows, diff)
		}
	}
}

// proven is how many of the lines stand at or before a position of the test's
// transactions.
func proven(lines []string, at changelog.Standing) (n int) {
	for _, line := range lines {
		var number int
		if _, err := fmt.Sscanf(line, "row %d", &number); err != nil {
			_, _ = fmt.Sscanf(line, "message %d", &number)
		}
		p := wal.Position{LSN: 0x1000 + 0x100*wal.LSN(number/4+1), Seq: []uint32{0, 1, 2, 4}[number%4]}
		if p.Compare(at.Position) <= 0 {
			n++
		}
	}
	return n
}

// Catch-ups that wait for Postgres leave the turns to those that have nothing to ask.
func TestCatchUpsThatWaitForPostgresHoldUpNoOthers(t *testing.T) {
	f := newPatientFixture(t, messagesTable, heldTable)
	held, messages := f.Relation("held"), f.Relation("messages")
	release := f.lock()
	f.Commit(logtest.Insert(held, "1", "x"), logtest.Insert(messages, "2", "1", "x"))
	from := f.Changes.Head()
	f.Commit(logtest.Insert(held, "3", "x"), logtest.Insert(messages, "4", "1", "x"))
	f.waitLanes()
	const slow = catchUpsAtOnce + 6
	inboxes := make([]*inbox, slow)
	for i := range inboxes {
		inboxes[i] = newInbox()
		f.subscribe(inboxes[i], ask{role: "authenticated", claims: isHeld, topic: fmt.Sprint("slow", i), bindings: heldRows, after: []wal.Position{from}}, Start{From: Named})
	}
	f.waitAsking()
	f.until("all slow catch-ups wait", func() bool { return f.fanout.asker.queued.Load() >= slow*256 })
	quick := newInbox()
	f.subscribe(quick, ask{topic: "quick", bindings: everyRow, after: []wal.Position{from}}, Start{From: Named})
	if diff := cmp.Diff([]string{"row 4"}, quick.wait(t, 1)); diff != "" {
		t.Errorf("to who has nothing to ask (-want +got):\n%s", diff)
	}
	release()
	for _, in := range inboxes {
		if diff := cmp.Diff([]string{"row 3"}, in.wait(t, 1)); diff != "" {
			t.Fatalf("to who waited (-want +got):\n%s", diff)
		}
	}
}
