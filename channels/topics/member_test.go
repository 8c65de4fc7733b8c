package topics

import (
	"testing"

	"walcast/protocol"
	"walcast/replication/wal"
)

func TestASenderGetsItsOwnBroadcastsOnlyIfItAskedForThem(t *testing.T) {
	f := newFixture(t, Config{})
	sender, own := f.join(room, MemberConfig{})
	selfish, self := f.join(room, MemberConfig{Self: true})
	sender.Broadcast(text(1))
	selfish.Broadcast(text(2))
	own.want(t, "the sender", "broadcast 2.")
	self.want(t, "the one that asked for its own", "broadcast 1.", "broadcast 2.")
}

func TestWhoDoesNotListenGetsNoBroadcasts(t *testing.T) {
	f := newFixture(t, Config{})
	m, heard := f.join(room, MemberConfig{Deaf: true})
	f.Publish(room, text(1))
	m.Listen(true)
	f.Publish(room, text(2))
	m.Listen(false)
	f.Publish(room, text(3))
	m.Listen(true)
	m.Leave()
	f.Publish(room, text(4))
	heard.want(t, "the member", "broadcast 2.")
}

func TestOneFrameForEachVersion(t *testing.T) {
	f := newFixture(t, Config{})
	_, a := f.join(room, MemberConfig{})
	_, b := f.join(room, MemberConfig{})
	_, two := f.join(room, MemberConfig{Address: protocol.Address{Version: protocol.V2}})
	f.Publish(room, text(1))
	if a.frames[0] != b.frames[0] {
		t.Error("two receivers of one version got two frames; want one shared")
	}
	if a.frames[0] == two.frames[0] {
		t.Error("receivers of two versions got one frame")
	}
	f.Publish(room, protocol.Broadcast{Opaque: []byte{1}})
	if len(a.frames) != 1 || len(two.frames) != 2 {
		t.Errorf("an opaque payload came %d times in 1.0.0 and %d times in 2.0.0; want 0 and 1", len(a.frames)-1, len(two.frames)-1)
	}
}

// client is a member whose client can be recognised.
func (f *fixture) client(name string, heard uint64) (*Member, *box) {
	return f.join(room, MemberConfig{Client: name, Returning: &Returning{Heard: heard, Position: wal.Position{LSN: 5}}})
}

func TestAClientThatReturnsGetsTheBroadcastsItMissed(t *testing.T) {
	f := newFixture(t, Config{})
	other, _ := f.join(room, MemberConfig{})
	a, first := f.client("a", 0)
	other.Broadcast(text(1))
	heard := a.Heard()
	other.Broadcast(text(2)) // pushed, not proven
	a.Broadcast(text(3))     // its own, which it did not ask for
	first.want(t, "the client", "broadcast 1.", "broadcast 2.")
	a.Leave()
	other.Broadcast(text(4))
	other.Leave()
	f.Publish(room, text(5)) // no member is left
	again, missed := f.client("a", heard)
	f.Publish(room, text(6))
	missed.want(t, "the client that is back", "broadcast 2.", "broadcast 4.", "broadcast 5.", "broadcast 6.")
	if at, now := again.HeardAtJoin(), again.Heard(); at <= heard || now <= at {
		t.Errorf("heard %d before, %d at the join, %d now; want them to grow", heard, at, now)
	}
	_, stranger := f.client("b", 0)
	f.Publish(room, text(7))
	stranger.want(t, "a new client", "broadcast 7.")
	_, selfish := f.join(room, MemberConfig{Client: "a", Self: true, Returning: &Returning{Heard: heard}})
	selfish.want(t, "the client that wants its own", "broadcast 2.", "broadcast 3.", "broadcast 4.", "broadcast 5.", "broadcast 6.", "broadcast 7.")
}

func TestMoreBroadcastsThanAreKeptAreToldAsMissed(t *testing.T) {
	resyncs := 0
	f := newFixture(t, Config{Resynced: func(string) { resyncs++ }})
	a, _ := f.client("a", 0)
	a.Leave()
	for n := range topicCount + 1 {
		f.Publish(room, text(n))
	}
	_, back := f.client("a", a.HeardAtJoin())
	if n := len(back.frames); n != topicCount+1 {
		t.Fatalf("%d frames; want a resync and %d broadcasts", n, topicCount)
	}
	back.frames = back.frames[:2]
	back.want(t, "the client", `"code":"broadcasts_missed","from":"0/5:0","oldest":"0/5:0","position":"0/5:0"`, "broadcast 1.")
	_, told := f.join(room, MemberConfig{Client: "a", Returning: &Returning{Heard: a.HeardAtJoin(), Told: true}})
	if n := len(told.frames); n != topicCount {
		t.Errorf("%d frames to one that is told to resync anyway; want %d broadcasts", n, topicCount)
	}
	if resyncs != 1 {
		t.Errorf("%d resyncs are counted; want 1", resyncs)
	}
}

func TestAResyncOfAClientWithoutAPositionNamesNone(t *testing.T) {
	f := newFixture(t, Config{MaxTopics: 1})
	a, _ := f.client("a", 0)
	a.Leave()
	f.join(protocol.Topic{Name: "realtime:other"}, MemberConfig{Client: "a", Returning: &Returning{}}) // in place of the first
	f.Publish(room, text(1))
	_, back := f.join(room, MemberConfig{Client: "a", Returning: &Returning{Heard: a.HeardAtJoin()}})
	back.want(t, "the client", `"from":null,"oldest":null,"position":null`)
}
