package fanout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"walcast/internal/logtest"

	"github.com/google/go-cmp/cmp"
)

// isOnLane reports whether a subscription is attached to a lane.
func (f *fixture) isOnLane(s *Subscription) bool {
	shard, at := f.fanout.shardOf(s.request.Topic.Name), s.attachedTo.Load()
	return at == &shard.direct.delivery || at == &shard.secured.delivery
}

// A dedicated subscription is on no lane, and gets all that it would get there.
func TestADedicatedSubscriptionGetsEverythingInOrder(t *testing.T) {
	f := newFixture(t, messagesTable, heldTable)
	messages, held := f.Relation("messages"), f.Relation("held")
	b, dared := newInbox(), newInbox()
	both := everyRow + "," + heldRows
	dedicated := f.subscribe(b, ask{role: "authenticated", claims: isFree, bindings: both, dedicated: true}, Start{})
	f.subscribe(dared, ask{role: "authenticated", claims: isFree, bindings: both}, Start{})
	if got, want := dedicated.Started(), f.Changes.Standing(); got != want {
		t.Errorf("Started = %v; want %v", got, want)
	}
	var want []string
	const n = 300
	for i := 1; i <= n; i += 3 {
		f.Commit(logtest.Insert(messages, fmt.Sprint(i), "1", "x"), said("room", i+1), logtest.Insert(held, fmt.Sprint(i+2), "x"))
		want = append(want, fmt.Sprint("row ", i), fmt.Sprint("message ", i+1), fmt.Sprint("row ", i+2))
	}
	for name, b := range map[string]*inbox{"dedicated": b, "on a lane": dared} {
		if diff := cmp.Diff(want, b.wait(t, n)); diff != "" {
			t.Errorf("to the one %s (-want +got):\n%s", name, diff)
		}
	}
	f.waitSent(dedicated)
	if f.isOnLane(dedicated) {
		t.Error("the dedicated subscription is on a lane")
	}
	dedicated.Close()
	f.Commit(logtest.Insert(messages, "1000", "1", "x"))
	dared.wait(t, n+1)
	if got := b.wait(t, n); len(got) > n {
		t.Errorf("after Close came %q", got[n:])
	}
}

func TestBindingsThatMatchTheSameRowsLeaveTheLaneToOthers(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	var many []string
	const bindings = 500
	for i := range bindings {
		many = append(many, fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","filter":"id=gt.-%d"}`, i+1))
	}
	crowd, few := newInbox(), newInbox()
	hostile := f.subscribe(crowd, ask{bindings: strings.Join(many, ",")}, Start{})
	ordinary := f.subscribe(few, ask{bindings: strings.Join(many[:overlapFew], ",")}, Start{})
	const n = 4 * overlapLimit / bindings
	for i := range n {
		f.Commit(logtest.Insert(rel, fmt.Sprint(i), "1", "x"), said("room", i))
		if i == n/2 { // the lane still has some of it on its way
			f.until("the bindings leave the lane", func() bool { return !f.isOnLane(hostile) })
		}
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint("row ", i), fmt.Sprint("message ", i))
	}
	for name, b := range map[string]*inbox{"many": crowd, "few": few} {
		if got := b.wait(t, len(want)); !slices.Equal(got, want) {
			t.Errorf("to the one with %s bindings (-want +got):\n%s", name, cmp.Diff(want, got))
		}
	}
	f.waitSent(hostile)
	if f.isOnLane(hostile) {
		t.Error("bindings that match the same rows are on the lane again")
	}
	if !f.isOnLane(ordinary) {
		t.Error("few bindings that match the same rows have left the lane")
	}
}

// Catch-ups wait for each other to compute; lanes do not wait for them.
func TestCatchUpsLeaveProcessorsToLanes(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	at := f.Changes.Standing()
	f.Commit(logtest.Insert(rel, "0", "1", "missed"))
	f.waitLanes()
	release := make(chan struct{})
	for range f.fanout.catchUps.heavy.Most() { // as if so many computed
		started := make(chan struct{})
		go f.fanout.catchUps.heavy.Do(func() {
			close(started)
			<-release
		})
		<-started
	}
	late, live := newInbox(), newInbox()
	f.subscribe(late, ask{bindings: everyRow}, Start{From: Proven, At: at})
	f.subscribe(live, ask{bindings: everyRow}, Start{})
	f.Commit(logtest.Insert(rel, "1", "1", "live"))
	live.wait(t, 1)
	if got := late.wait(t, 0); len(got) > 0 {
		t.Errorf("%q came while enough others catch up", got)
	}
	close(release)
	if diff := cmp.Diff(rows(0, 2), late.wait(t, 2)); diff != "" {
		t.Errorf("to who comes back (-want +got):\n%s", diff)
	}
}
