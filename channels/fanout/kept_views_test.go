package fanout

import (
	"testing"
	"time"

	"walcast/channels/live"
	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// TestClientsThatComeAndGoLeaveNothingBehind: a view that a client goes on with is not kept
// any more, however often it comes back.
func TestClientsThatComeAndGoLeaveNothingBehind(t *testing.T) {
	keys := live.NewKeys(1000)
	k := newKeptViews(changelog.New(changelog.Config{Window: time.Minute}), keys)
	spec := &protocol.Binding{Event: "*", Schema: "public", Table: "notes"}
	b := &binding{Binding: &diagnose.Binding{Spec: spec}, subject: &policy.Subject{Role: "anon"}}
	at := changelog.Standing{History: changelog.History{System: "1", Slot: "s"}, Position: wal.Position{LSN: 8}}
	held := &viewRows{keys: keys.Set(policy.Account{}), view: &policy.View{Relation: &wal.Relation{}}}
	held.keys.Add(live.Key{1}, wal.Position{})
	held.keys.Begin(at.Position)
	stays := &viewRows{keys: keys.Set(policy.Account{}), view: held.view}
	stays.keys.Begin(at.Position)
	k.begin(viewID{2}, b, stays)
	if !k.keep(stays, nil, at) {
		t.Fatal("the view is not kept")
	}
	k.begin(viewID{1}, b, held)
	for range 1000 {
		if !k.keep(held, nil, at) {
			t.Fatal("the view is not kept")
		}
		held.live.end()
		g := k.use(viewID{1}, policy.Account{}, at)
		if g == nil {
			t.Fatal("the view that was kept is not found")
		}
		held = &viewRows{keys: g.keys, view: held.view}
		k.begin(viewID{1}, b, held)
		k.release(g)
		if len(k.order) > 3 {
			t.Fatalf("%d views are in line to be forgotten; want one, and at most as many that are there no more", len(k.order))
		}
	}
	if g := k.use(viewID{2}, policy.Account{}, at); g == nil || len(k.order) != 0 || k.used != 0 {
		t.Errorf("after the last view is used %d are in line, of which %d are there no more; want none", len(k.order), k.used)
	}
}
