package fanout

import (
	"testing"

	"walcast/internal/logtest"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

var secondHistory = changelog.History{System: "2", Slot: "walcast"}

// beginAnew has another history begin where the present one is, as that of a server that
// was put back, and waits until the lanes are in it.
func (f *fixture) beginAnew() {
	f.Helper()
	f.Changes.Begin(secondHistory, f.LSN, changelog.CodeSlotLost)
	for _, s := range f.fanout.shards {
		for _, l := range []*lane{s.direct, s.secured} {
			f.until("a lane is in the other history", func() bool { return l.delivery.sentUpTo().History == secondHistory })
		}
	}
}

// A lane tells its subscriptions that the log has begun anew. One that a catch-up hands over
// afterwards would never be told.
func TestWhoComesFromAnotherHistoryIsNotHandedOver(t *testing.T) {
	f := newFixture(t, messagesTable)
	b := newInbox()
	s := newSubscription(f.fanout, f.request(b, ask{bindings: everyRow}))
	t.Cleanup(s.Close)
	at := f.Changes.Standing()
	s.started, s.progress = at, progress{rows: at, messages: at}
	c := &catchup{fanout: f.fanout, lane: f.fanout.shardOf(s.request.Topic.Name).direct, subscription: s, from: at}
	c.delivery.init(f.fanout, catchingUp, moves{}, nil)
	c.attach()
	f.beginAnew()
	if c.handOver(at) || c.handOver(changelog.Standing{Position: at.Position}) {
		t.Fatal("a lane in another history takes the subscription")
	}
	if c.hasLeft() {
		t.Error("the subscription has left its catch-up")
	}
}

func TestWhoMovesToALaneInAnotherHistoryIsTold(t *testing.T) {
	f := newFixture(t, messagesTable)
	b := newInbox()
	s := f.subscribe(b, ask{bindings: everyRow}, Start{})
	f.Commit(logtest.Insert(f.Relation("messages"), "1", "1", "x"))
	b.wait(t, 1)
	f.waitLanes()
	direct := f.fanout.shardOf(s.request.Topic.Name).direct
	s.withDelivery(func(*delivery) { // the direct lane is held up, while the secured one goes on
		f.Changes.Begin(secondHistory, f.LSN, changelog.CodeSlotLost)
		f.until("the secured lane is in the other history", func() bool { return direct.secured.delivery.sentUpTo().History == secondHistory })
		direct.moveToSecured(s, wal.Before(f.LSN+0x100))
	})
	b.wantAll(t, "row 1", "resync "+changelog.CodeSlotLost)
}
