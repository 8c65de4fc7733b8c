package fanout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

const (
	wholeRows = `{"event":"*","schema":"public","table":"messages","transactions":true}`
	wholeHeld = `{"event":"*","schema":"public","table":"held","transactions":true}`
)

// end is the line of the end of the newest transaction.
func (f *fixture) end(changes int) string {
	return fmt.Sprint("end ", wal.Position{LSN: f.LSN, Seq: uint32(changes)})
}

// wantLines waits for lines, and wants no others.
func (b *inbox) wantLines(t *testing.T, f *fixture, s *Subscription, want ...string) {
	t.Helper()
	f.waitSent(s)
	b.wait(t, len(want))
	if diff := cmp.Diff(want, b.wait(t, 0)); diff != "" {
		t.Errorf("came (-want +got):\n%s", diff)
	}
}

func TestTheEndOfATransactionFollowsItsLastChange(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	insert := func(id, channel int) *wal.Change {
		return logtest.Insert(rel, fmt.Sprint(id), fmt.Sprint(channel), "x")
	}
	const some = `{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.1","transactions":true}`
	whole, other, plain, stream := newInbox(), newInbox(), newInbox(), newInbox()
	s := f.subscribe(whole, ask{bindings: some}, Start{})
	f.subscribe(other, ask{bindings: `{"event":"DELETE","schema":"public","table":"messages"},` + some}, Start{})
	last := f.subscribe(plain, ask{bindings: everyRow}, Start{})
	f.subscribe(stream, ask{bindings: some, version: protocol.SSE}, Start{})
	var want []string
	f.Commit(insert(1, 1), insert(2, 2), insert(3, 1))
	want = append(want, "row 1", "row 3", f.end(3))
	f.Commit(insert(4, 2)) // nobody's
	f.Commit(said("room", 1))
	want = append(want, "message 1")
	f.Begin(insert(5, 1))
	f.waitSent(last)
	f.GoOn(insert(6, 2), said("room", 2))
	f.waitSent(last)
	f.End()
	want = append(want, "row 5", "message 2", f.end(3))
	for _, b := range []*inbox{whole, other, stream} {
		b.wantLines(t, f, s, want...)
	}
	plain.wantLines(t, f, last, "row 1", "row 2", "row 3", "row 4", "message 1", "row 5", "row 6", "message 2")
	if end := len(want) - 1; whole.frames[end] != other.frames[end] { // the first may have waited for the table's rights, each alone
		t.Error("two channels of a topic got two frames of one end")
	}
	_, id, err := contentOf(stream.frames[2])
	if p := *stream.read(t, 3)[2].Payload.Position; err != nil || id != p || whole.read(t, 3)[2].Event != protocol.EventPostgresCommit {
		t.Errorf("the event stream goes on at %q, %v; want %q", id, err, p)
	}
}

// A row that was not shown is no part of a transaction, and the end waits for the
// rows that Postgres decides.
func TestTheEndOfATransactionWaitsForWhatPostgresDecides(t *testing.T) {
	f := newPatientFixture(t, messagesTable, heldTable)
	held, messages := f.Relation("held"), f.Relation("messages")
	release := f.lock()
	b := newInbox()
	s := f.subscribe(b, ask{role: "authenticated", claims: isHeld, bindings: wholeHeld + "," + everyRow}, Start{})
	var want []string
	f.Commit(logtest.Insert(messages, "1", "1", "x"), logtest.Insert(held, "2", "x"))
	want = append(want, "row 1", "row 2", f.end(2))
	f.waitAsking()
	f.Commit(logtest.Insert(held, "-3", "not for it")) // waits, and is then hidden
	f.Commit(logtest.Insert(held, "-4", "not for it"), logtest.Insert(messages, "5", "1", "x"), logtest.Insert(held, "-6", "x"))
	want = append(want, "row 5", f.end(3))
	f.waitLanes()
	if got := b.wait(t, 1); len(got) != 1 {
		t.Errorf("came %q while Postgres had not answered; want the first row", got)
	}
	release()
	b.wantLines(t, f, s, want...)
	f.Commit(logtest.Insert(held, "-7", "not for it"))
	f.Commit(logtest.Insert(held, "8", "x"))
	b.wantLines(t, f, s, append(want, "row 8", f.end(1))...)
}

// Whatever carries the subscription from one delivery to another, and whatever
// happens to its bindings, its transaction ends once.
func TestATransactionEndsOnceWhereverItsSubscriptionIs(t *testing.T) {
	for name, happens := range map[string]func(*fixture, *Subscription){
		"nothing": func(*fixture, *Subscription) {},
		"it leaves the lane for good": func(f *fixture, s *Subscription) {
			s.withDelivery(func(*delivery) { s.dedicate() })
			s.leaveLane()
		},
		"it leaves the lane and comes back": func(f *fixture, s *Subscription) { s.leaveLane() },
		"its token is refreshed": func(f *fixture, s *Subscription) {
			s.ActAs(f.subject("authenticated", `{"sub":"other"}`))
		},
		"its rows begin to be secured": func(f *fixture, s *Subscription) {
			f.GoOn(logtest.Insert(f.Relation("held"), "100", "x"))
		},
		"the rules of access are read again": func(f *fixture, s *Subscription) {
			s.withDelivery(func(d *delivery) {
				d.matcher.tables.forget(d.matcher.tables.byOID[f.Relation("messages").OID], "authenticated")
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, messagesTable, heldTable)
			rel := f.Relation("messages")
			insert := func(id int) *wal.Change { return logtest.Insert(rel, fmt.Sprint(id), "1", "x") }
			b := newInbox()
			s := f.subscribe(b, ask{role: "authenticated", claims: isFree, bindings: wholeRows + "," + wholeHeld}, Start{})
			var want []string
			for i := range 6 {
				f.Begin(insert(2 * i))
				f.waitSent(s)
				happens(f, s)
				if i%2 == 0 {
					f.GoOn(insert(2*i + 1))
				}
				n := len(f.Written)
				f.End()
				for _, c := range f.Written {
					want = append(want, "row "+c.New[0].Text)
				}
				want = append(want, f.end(n))
			}
			b.wantLines(t, f, s, want...)
		})
	}
}

func TestAResumeInsideOfATransactionGetsTheRestAndItsEnd(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	insert := func(id int) *wal.Change { return logtest.Insert(rel, fmt.Sprint(id), "1", "x") }
	first, second := []*wal.Change{insert(1), insert(2), said("none", 1), insert(3)}, []*wal.Change{insert(4)}
	before := f.Changes.Standing().Position
	f.Commit(first...)
	firstEnd := f.end(4)
	f.Commit(second...)
	secondEnd := f.end(1)
	f.Commit(logtest.Insert(rel, "5", "2", "another's"))
	for _, c := range []struct {
		name string
		from wal.Position
		want []string
	}{
		{"before it", before, []string{"row 1", "row 2", "row 3", firstEnd, "row 4", secondEnd}},
		{"its first row", first[0].Position, []string{"row 2", "row 3", firstEnd, "row 4", secondEnd}},
		{"its second row", first[1].Position, []string{"row 3", firstEnd, "row 4", secondEnd}},
		{"its message", first[2].Position, []string{"row 3", firstEnd, "row 4", secondEnd}},
		{"its last row", first[3].Position, []string{firstEnd, "row 4", secondEnd}},
		{"its end", wal.Position{LSN: first[3].Position.LSN, Seq: 4}, []string{"row 4", secondEnd}},
		{"the last row of all", second[0].Position, []string{secondEnd}},
		{"the last end of all", wal.Position{LSN: second[0].Position.LSN, Seq: 1}, nil},
	} {
		const mine = `{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.1","transactions":true}`
		for how, start := range map[string]Start{
			"named":  {From: Named},
			"proven": {From: Proven, At: changelog.Standing{History: firstHistory, Position: c.from}},
		} {
			t.Run(c.name+", "+how, func(t *testing.T) {
				b := newInbox()
				s := f.subscribe(b, ask{bindings: mine, after: []wal.Position{c.from}}, start)
				b.wantLines(t, f, s, c.want...)
			})
		}
	}
	t.Run("each binding in another transaction", func(t *testing.T) {
		b := newInbox()
		s := f.subscribe(b, ask{bindings: wholeRows + `,{"event":"*","schema":"public","table":"messages","filter":"id=gt.3"}`, after: []wal.Position{
			first[3].Position, second[0].Position,
		}}, Start{From: Named})
		b.wantLines(t, f, s, firstEnd, "row 4", secondEnd, "row 5", f.end(1))
	})
}

// What came of a transaction before the client is told to fetch is fetched too.
// Only what comes afterwards has an end.
func TestAfterAResyncOnlyWhatFollowsItHasAnEnd(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	insert := func(id int) *wal.Change { return logtest.Insert(rel, fmt.Sprint(id), "1", "x") }
	b := newInbox()
	s := f.subscribe(b, ask{bindings: wholeRows}, Start{})
	told := func() {
		s.withDelivery(func(d *delivery) { d.waiting.outdate(s, d.standings.taken) })
	}
	f.Begin(insert(1))
	f.waitSent(s)
	told()
	f.End()
	f.Begin(insert(2))
	f.waitSent(s)
	told()
	f.GoOn(insert(3))
	f.End()
	b.wantLines(t, f, s, "row 1", "resync access_changed", "row 2", "resync access_changed", "row 3", f.end(2))
}

func TestACatchUpDoesNotWaitForRoomForEndsThatNobodyIsToldOf(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	from := f.Changes.Standing().Position
	for i := range 50 {
		f.Commit(logtest.Insert(rel, fmt.Sprint(i), "2", "another's"))
	}
	b := newInbox()
	b.full = make(chan struct{}) // there is no room at all
	s := f.subscribe(b, ask{
		bindings: `{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.1","transactions":true}`, after: []wal.Position{from},
	}, Start{From: Named})
	f.waitSent(s)
	if got := b.wait(t, 0); len(got) > 0 {
		t.Errorf("came %q; want nothing", got)
	}
}

// A database on which nothing happens has the standing of a subscription go on too.
func TestASubscriptionThatWasThereBeforeTheLogKeepsUpWithIt(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.run()
	s := f.subscribe(newInbox(), ask{bindings: wholeRows}, Start{})
	if at := s.Standing(); at != (changelog.Standing{}) {
		t.Errorf("Standing = %v before the log began; want none", at)
	}
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.Changes.Append(time.Now(), nil, f.LSN+0x80)
	f.waitSent(s)
}

func TestNobodyIsNotedForLong(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	for range 3 {
		s := f.subscribe(newInbox(), ask{bindings: wholeRows}, Start{})
		f.Begin(logtest.Insert(rel, "1", "1", "x"))
		f.waitSent(s)
		s.Close()
		f.End()
	}
	s := f.subscribe(newInbox(), ask{bindings: wholeRows}, Start{})
	f.Commit(logtest.Insert(rel, "2", "1", "x"))
	f.waitSent(s)
	s.withDelivery(func(d *delivery) {
		if n := len(slices.DeleteFunc(slices.Clone(d.matcher.attached.noted[:cap(d.matcher.attached.noted)]), func(s *Subscription) bool { return s == nil })); n > 0 {
			t.Errorf("%d subscriptions are still noted after their transaction's end", n)
		}
	})
}

// A subscription that comes to a lane within a transaction is still told of its end after the lane
// has sent the end of an earlier one, which it had matched before.
func TestTheEndOfATransactionIsToldAfterThatOfAnEarlierOne(t *testing.T) {
	f := newFixture(t, messagesTable)
	b := newInbox()
	s := f.subscribe(b, ask{bindings: wholeRows}, Start{})
	f.Commit(logtest.Insert(f.Relation("messages"), "1", "1", "x"))
	want := []string{"row 1", f.end(1)}
	b.wantLines(t, f, s, want...)
	earlier := &wal.Change{Operation: wal.Commit, Position: wal.Position{LSN: f.LSN + 80, Seq: 1}}
	later := &wal.Change{Operation: wal.Commit, Position: wal.Position{LSN: f.LSN + 160, Seq: 4}}
	s.withDelivery(func(d *delivery) {
		s.unfinished.of = later.Position.LSN // a catch-up has sent a change of it
		d.matcher.attached.noteAgain(s)
		d.sender.commit(earlier)
		d.sender.commit(later)
		d.sender.commit(later)
	})
	b.wantLines(t, f, s, append(want, fmt.Sprint("end ", later.Position))...)
}
