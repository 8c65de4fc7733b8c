package spread

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"walcast/channels/topics"
	"walcast/internal/await"
	"walcast/protocol"
)

func TestBroadcastsReachTheNodesWithMembers(t *testing.T) {
	nodes := newNodes(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	onA, onB := a.join(room, topics.MemberConfig{}), b.join(room, topics.MemberConfig{})
	other := c.join(protocol.Topic{Name: "realtime:other"}, topics.MemberConfig{})
	private := c.join(protocol.Topic{Name: room.Name, Private: true}, topics.MemberConfig{})
	if err := onA.Broadcast(relay("of a member")); err != nil {
		t.Fatal(err)
	}
	a.publish(room, "over HTTP of a node with members")
	c.publish(room, "over HTTP of a node without")
	onB.has(t, "over HTTP of a node without")
	onB.has(t, "of a member")
	onB.has(t, "over HTTP of a node with members")
	onA.has(t, "over HTTP of a node without")
	if got := onA.got(); len(got) != 2 {
		t.Errorf("the sender got %q; want what others sent", got)
	}
	// What comes after it on the way to c comes after all that was sent to the room.
	a.publish(protocol.Topic{Name: "realtime:other"}, "the last")
	other.has(t, "the last")
	if got := private.got(); len(got) > 0 {
		t.Errorf("a private topic of the name got %q", got)
	}
	if got := c.value("walcast_channels_spread_received_total"); got != 1 {
		t.Errorf("a node without members got %v broadcasts; want the one to another topic", got)
	}
	for _, n := range nodes {
		if got := n.value("walcast_channels_spread_gaps_total"); got != 0 {
			t.Errorf("%v gaps without a loss", got)
		}
	}
}

func TestAllFormsOfABroadcastCross(t *testing.T) {
	nodes := newNodes(t, 2)
	old, present := &box{}, nodes[1].join(room, topics.MemberConfig{})
	m := nodes[1].Join(room, topics.MemberConfig{Outbox: old, Address: protocol.Address{Version: protocol.V1, Topic: room.Name, JoinRef: `"1"`}})
	defer m.Leave()
	local := nodes[0].join(room, topics.MemberConfig{})
	for _, b := range []protocol.Broadcast{
		relay("text"),
		{Opaque: []byte{1, 2}},
		{Opaque: []byte{}},
		{Event: "e", Encoding: protocol.EncodingJSON, Payload: []byte(`{"x":1}`)},
		{Event: "e", Payload: []byte{0xff}},
		{Event: "e", Payload: []byte{}, Meta: []byte(`{"id":"7"}`)},
	} {
		if err := nodes[0].Publish(room, b); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := present.wait(t, 6), local.wait(t, 6); !slices.Equal(got, want) {
		t.Errorf("frames on the other node %q; want those of the node itself %q", got, want)
	}
	if got := old.got(); len(got) != 2 {
		t.Errorf("a client of 1.0.0 on the other node got %q; want the two texts", got)
	}
}

// TestOrderOfEachSender has members of two nodes send to two topics at once, while
// others join and leave.
func TestOrderOfEachSender(t *testing.T) {
	nodes := newNodes(t, 3)
	other := protocol.Topic{Name: "realtime:other"}
	const senders, each = 8, 500
	listeners := map[protocol.Topic]*member{room: nodes[2].join(room, topics.MemberConfig{}), other: nodes[2].join(other, topics.MemberConfig{})}
	var wait sync.WaitGroup
	for i := range senders {
		n := nodes[i%2]
		in := map[protocol.Topic]*member{room: n.join(room, topics.MemberConfig{}), other: n.join(other, topics.MemberConfig{})}
		wait.Go(func() {
			for k := range each {
				for _, key := range []protocol.Topic{room, other} {
					if err := in[key].Broadcast(relay(fmt.Sprintf("sender%d %d", i, k))); err != nil && protocol.RefusalOf(err) != protocol.RefuseBusAway {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 50 {
		nodes[2].join(room, topics.MemberConfig{}).Leave()
	}
	wait.Wait()
	for key, l := range listeners {
		await.True(t, patience, "all to arrive, or a loss to be seen", func() bool { return len(l.got()) >= senders*each || nodes[2].loses() })
		got := l.got()
		for i := range senders {
			numbers := numbers(t, fmt.Sprintf("sender%d", i), got)
			if !slices.IsSorted(numbers) || len(slices.Compact(slices.Clone(numbers))) != len(numbers) || len(numbers) < each && !nodes[2].loses() {
				t.Errorf("%s: sender %d arrived as %v", key.Name, i, numbers)
			}
		}
	}
}

// loses reports whether a loss was seen. On a machine that has no time for the test for
// seconds NATS takes nodes for gone.
func (n *node) loses() bool { return n.value("walcast_channels_spread_gaps_total") > 0 }

// TestAJoinKnowsThatItIsHeard has what is sent elsewhere after each join arrive, also
// that of the only member that comes and goes.
func TestAJoinKnowsThatItIsHeard(t *testing.T) {
	nodes := newNodes(t, 3)
	for n := range 200 {
		m := nodes[n%2].join(room, topics.MemberConfig{})
		text := fmt.Sprintf("number %d", n)
		nodes[2].publish(room, text)
		if got := m.wait(t, 1); !strings.Contains(got[0], text) {
			t.Fatalf("after join %d came %q", n, got)
		}
		m.Leave()
	}
	await.True(t, patience, "no topic to be left", func() bool {
		return nodes[0].value("walcast_channels_spread_topics") == 0 && nodes[1].value("walcast_channels_spread_topics") == 0
	})
}

func TestALossIsSeenAndTold(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(a *node) // is sent when the way is mended
	}{
		{"by what follows", func(a *node) { a.publish(room, "after") }},
		{"though nothing follows", func(*node) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := freeAddress(t)
			a := newNode(t, address)
			way := newWire(t, address)
			b := newNode(t, freeAddress(t), way.address())
			a.knows(1)
			b.knows(1)
			known := b.join(room, topics.MemberConfig{Client: "c", Returning: &topics.Returning{}})
			plain := b.join(room, topics.MemberConfig{})
			deaf := b.join(room, topics.MemberConfig{Client: "d", Returning: &topics.Returning{}, Deaf: true})
			left := b.join(room, topics.MemberConfig{Client: "l", Returning: &topics.Returning{}})
			a.publish(room, "before")
			known.has(t, "before")
			heard := left.Heard()
			left.Leave()
			way.set(true)
			await.True(t, patience, "the nodes to be apart", func() bool { return b.value("walcast_cluster_routes") == 0 && a.value("walcast_cluster_routes") == 0 })
			a.publish(room, "lost")
			way.set(false)
			await.True(t, patience, "the nodes to be connected", func() bool { return a.value("walcast_cluster_routes") > 0 })
			c.after(a)
			await.True(t, patience, "the loss to be told", func() bool { return known.misses() > 0 })
			if plain.misses() > 0 || deaf.misses() > 0 {
				t.Error("members without a client_id, or that may not read, were told")
			}
			for _, text := range known.got() {
				if strings.Contains(text, "lost") {
					t.Errorf("what was to be lost came: %s", text)
				}
			}
			if got := b.value("walcast_channels_spread_gaps_total"); got != 1 {
				t.Errorf("%v gaps counted; want 1", got)
			}
			back := b.join(room, topics.MemberConfig{Client: "l", Returning: &topics.Returning{Heard: heard}})
			back.has(t, protocol.CodeBroadcastsMissed)
		})
	}
}

// TestWhatIsMissedWhileAway has a client come back to its node, where others have
// broadcast meanwhile from elsewhere.
func TestWhatIsMissedWhileAway(t *testing.T) {
	nodes := newNodes(t, 2)
	returning := func(heard uint64) topics.MemberConfig {
		return topics.MemberConfig{Client: "c", Returning: &topics.Returning{Heard: heard}}
	}
	first := nodes[0].join(room, returning(0))
	nodes[1].publish(room, "number 0")
	first.has(t, "number 0")
	heard := first.Heard()
	first.Leave()
	own := nodes[1].join(room, topics.MemberConfig{Client: "c"})
	if err := own.Broadcast(relay("its own, sent elsewhere")); err != nil {
		t.Fatal(err)
	}
	nodes[1].publish(room, "number 1")
	await.True(t, patience, "what is for nobody here to come", func() bool { return nodes[0].value("walcast_channels_spread_received_total") == 3 })
	back := nodes[0].join(room, returning(heard))
	if got := back.wait(t, 1); len(got) != 1 || !strings.Contains(got[0], "number 1") {
		t.Errorf("the client that came back got %q; want what it missed", got)
	}
}

// TestWhatNobodyKeepsIsToldAsMissed has a client come back to a node that has not been
// told meanwhile what others broadcast.
func TestWhatNobodyKeepsIsToldAsMissed(t *testing.T) {
	nodes := newNodes(t, 2)
	first := nodes[0].join(room, topics.MemberConfig{Client: "c", Returning: &topics.Returning{}})
	nodes[1].publish(room, "number 0")
	first.has(t, "number 0")
	heard := first.Heard()
	first.Leave()
	nodes[0].Expire(time.Now().Add(2 * time.Hour))
	await.True(t, patience, "the node to listen no more", func() bool { return nodes[0].value("walcast_channels_spread_topics") == 0 })
	back := nodes[0].join(room, topics.MemberConfig{Client: "c", Returning: &topics.Returning{Heard: heard}})
	back.has(t, protocol.CodeBroadcastsMissed)
}

func TestABroadcastTheBusDoesNotTakeIsRefused(t *testing.T) {
	nodes := newNodes(t, 2)
	m := nodes[0].join(room, topics.MemberConfig{Self: true})
	err := m.Broadcast(protocol.Broadcast{Opaque: make([]byte, 9<<20)})
	if refusal := protocol.RefusalOf(err); err == nil || refusal.Code != protocol.CodeBusTooLarge || !strings.Contains(refusal.Text, "max_payload") {
		t.Errorf("Broadcast of 9 MiB = %v; want a refusal that says what to do", err)
	}
	if got := m.got(); len(got) > 0 {
		t.Error("what was refused was delivered here")
	}
	if err := m.Broadcast(protocol.Broadcast{Opaque: make([]byte, 3<<20)}); err != nil {
		t.Errorf("Broadcast of 3 MiB = %v; want nil", err)
	}
}

// TestWithoutABus has a node whose bus never came.
func TestWithoutABus(t *testing.T) {
	n := newUnlinked(t)
	m := n.join(room, topics.MemberConfig{Self: true})
	if err := m.Broadcast(relay("here")); protocol.RefusalOf(err) != protocol.RefuseBusAway {
		t.Errorf("Broadcast = %v; want %v", err, protocol.RefuseBusAway)
	}
	m.has(t, "here")
	if got := n.value("walcast_channels_spread_refused_total"); got != 1 {
		t.Errorf("%v broadcasts counted that were not handed to the bus; want 1", got)
	}
}

func TestANodeThatStopsIsForgotten(t *testing.T) {
	nodes := newNodes(t, 3)
	nodes[2].stop()
	nodes[0].knows(1)
	nodes[1].knows(1)
}

// TestNothingIsOnItsWayBeyondAFence has broadcasts be sent before it, which have come
// afterwards, and one be lost, which topics are told.
func TestNothingIsOnItsWayBeyondAFence(t *testing.T) {
	nodes := newNodes(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	onA := a.join(room, topics.MemberConfig{Client: "known", Returning: &topics.Returning{}})
	for round := range 50 {
		text := fmt.Sprint("round ", round)
		b.publish(room, text)
		c.publish(room, text)
		if !a.spread.Fence(t.Context()) {
			t.Fatalf("round %d: not known whether all has come", round)
		}
		if got := onA.got(); len(got) != 2*(round+1) {
			t.Fatalf("round %d: %d broadcasts have come; want %d", round, len(got), 2*(round+1))
		}
	}
	heard := onA.HeardAtJoin() + 100
	if !a.Quiet(room, heard) || a.Quiet(room, heard-1) {
		t.Error("after the last broadcast the topic is not quiet, or before it")
	}
	b.spread.outgoing.mu.Lock()
	b.spread.outgoing.window.Next(addressOf(room).digest, time.Now()) // one that the bus loses
	b.spread.outgoing.mu.Unlock()
	if !a.spread.Fence(t.Context()) || a.Quiet(room, heard) {
		t.Error("the topic is quiet beyond a broadcast that was lost")
	}
	c.stop()
	a.knows(1)
	if !a.spread.Fence(t.Context()) {
		t.Error("who has gone in order is waited for")
	}
	if newUnlinked(t).spread.Fence(t.Context()) {
		t.Error("without a bus all has come")
	}
}

// TestAFenceWithoutAnAnswerSaysSo as when a node is frozen.
func TestAFenceWithoutAnAnswerSaysSo(t *testing.T) {
	nodes := newNodes(t, 2)
	h := nodes[0].spread.hearing
	h.mu.Lock()
	h.source("frozen", time.Now())
	h.mu.Unlock()
	if nodes[0].spread.Fence(t.Context()) {
		t.Error("all has come of a node that has not answered")
	}
}
