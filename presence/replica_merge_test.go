package presence

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// node is one of several replicas of a topic, with a client that watches it.
type node struct {
	id      NodeID
	replica *Replica
	refs    *RefSource
	client  *client
	number  uint64
	sent    []Delta
	ghosts  ChannelID // the last of those that have to leave
}

const firstGhost = 100

// giveUp ends what the node still lists and others have claimed.
func (n *node) giveUp() {
	for id := ChannelID(firstGhost); id <= n.ghosts; id++ {
		n.replica.Untrack(id)
	}
}

func newNode(t fataler, i int) *node {
	n := &node{id: NodeID(fmt.Sprintf("node%d", i)), replica: NewReplica(0), refs: NewRefSource([12]byte{byte(i)}), client: &client{}, ghosts: firstGhost}
	n.client.onState(t, n.replica.State().AppendState(nil))
	return n
}

// flush tells the client, and has what other nodes are to be told ready.
func (n *node) flush(t fataler) {
	if diff := n.replica.State().Flush(); !diff.Empty() {
		n.client.onDiff(t, diff.AppendTo(nil))
	}
	if d, ok := n.replica.Take(); ok {
		n.number++ // and the numbers between are those of other topics
		d.Seq = 2 * n.number
		n.replica.Told(d.Seq)
		n.sent = append(n.sent, d)
	}
}

// change does something to one of the node's own channels.
func (n *node) change(t *rapid.T) {
	id := ChannelID(rapid.IntRange(1, 4).Draw(t, "channel"))
	key, client := fmt.Sprintf("key %d", id%3), uint32(rapid.IntRange(0, 2).Draw(t, "client"))
	switch rapid.IntRange(0, 5).Draw(t, "change") {
	case 0:
		n.replica.Untrack(id)
	case 1:
		n.replica.State().Adopt(id, ChannelID(rapid.IntRange(1, 4).Draw(t, "adopts")))
	case 2:
		n.replica.Claim(id, key, client)
	case 3:
		n.giveUp()
	default:
		payload := fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 2).Draw(t, "n"))
		if err := n.replica.Track(id, key, json.RawMessage(payload), n.refs.Next(), client); err != nil {
			t.Fatalf("Track: %v", err)
		}
	}
}

// take has the node take a delta of another. What that has claimed it gives up.
func (n *node) take(of *node, d Delta) (behind bool) {
	applied := n.replica.Apply(of.id, d)
	for _, ref := range applied.Lost {
		if id, ok := n.replica.Tracker(ref); ok {
			n.ghosts++
			n.replica.State().Adopt(id, n.ghosts)
		}
	}
	return applied.Behind
}

// repair gives every node what it lacks of the others, until none lacks anything.
func repair(t *rapid.T, nodes []*node) {
	for round := 0; ; round++ {
		done := true
		for _, n := range nodes {
			n.giveUp()
			n.flush(t)
		}
		for _, at := range nodes {
			for _, of := range nodes {
				if known, ok := at.replica.Known(of.id); at != of && (!ok || known < of.replica.Seq()) {
					done = false
					at.take(of, of.replica.Whole())
				}
			}
		}
		if done {
			return
		}
		if round > 20 {
			t.Fatalf("nodes do not come to rest")
		}
	}
}

// wantSame compares replicas with what their nodes track, without the order of
// metas, and each node's client with its replica.
func wantSame(t *rapid.T, nodes []*node, wants func(at, of *node) bool) {
	for _, at := range nodes {
		want := map[string]map[string]map[string]any{}
		refs := map[string]bool{}
		for _, of := range nodes {
			if !wants(at, of) {
				continue
			}
			for _, m := range of.replica.Whole().Joins {
				if want[m.Key] == nil {
					want[m.Key] = map[string]map[string]any{}
				}
				want[m.Key][m.Ref] = decode[map[string]any](t, m.JSON)
				refs[m.Ref] = true
			}
		}
		at.flush(t)
		got := byRef(decode[view](t, at.replica.State().AppendState(nil)))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s differs (-tracked +replica):\n%s", at.id, diff)
		}
		if diff := cmp.Diff(got, byRef(at.client.state)); diff != "" {
			t.Fatalf("the client of %s differs (-replica +client):\n%s", at.id, diff)
		}
		if got := at.replica.State().Len(); got != len(refs) {
			t.Fatalf("Len() = %d at %s; want %d", got, at.id, len(refs))
		}
	}
}

func everybody(_, _ *node) bool { return true }

// Whatever the order in which deltas come, how often, and which of them are lost, all
// nodes have the same state once each has what it says that it lacks. Nodes are dropped,
// wholes come late, and clients take along what they track.
func TestReplicasConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := []*node{newNode(t, 0), newNode(t, 1), newNode(t, 2)}
		pick := rapid.SampledFrom(nodes)
		wholes := map[NodeID][]Delta{}
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			at, of := pick.Draw(t, "at"), pick.Draw(t, "of")
			switch step := rapid.IntRange(0, 7).Draw(t, "step"); {
			case step <= 1:
				at.change(t)
			case step <= 3 || at == of:
				at.flush(t)
			case step <= 5 && len(of.sent) > 0:
				i := rapid.IntRange(0, len(of.sent)-1).Draw(t, "from delta")
				for _, d := range of.sent[i:rapid.IntRange(i, len(of.sent)).Draw(t, "to delta")] {
					if at.take(of, d) && rapid.Bool().Draw(t, "ask") {
						of.flush(t)
						wholes[of.id] = append(wholes[of.id], of.replica.Whole())
					}
				}
			case step == 6 && len(wholes[of.id]) > 0:
				at.take(of, rapid.SampledFrom(wholes[of.id]).Draw(t, "whole"))
			case step == 7:
				at.replica.Drop(of.id)
			}
		}
		repair(t, nodes)
		wantSame(t, nodes, everybody)
		for _, at := range nodes {
			at.replica.Drop(nodes[0].id)
		}
		wantSame(t, nodes, func(at, of *node) bool { return of != nodes[0] || at == of })
	})
}

// Without losses no whole is asked for, but the first.
func TestReplicasNeedNoRepairWithoutLosses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := []*node{newNode(t, 0), newNode(t, 1)}
		nodes[0].take(nodes[1], nodes[1].replica.Whole())
		nodes[1].take(nodes[0], nodes[0].replica.Whole())
		told := map[*node]int{}
		deliver := func() {
			for i, at := range nodes {
				at.flush(t)
				for _, d := range at.sent[told[at]:] {
					if nodes[1-i].take(at, d) {
						t.Fatalf("%s is behind at %d", nodes[1-i].id, d.Seq)
					}
				}
				told[at] = len(at.sent)
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			nodes[rapid.IntRange(0, 1).Draw(t, "node")].change(t)
			deliver()
		}
		for _, n := range nodes {
			n.giveUp()
		}
		deliver()
		wantSame(t, nodes, everybody)
	})
}

func TestReplicaTellsWhenItIsBehind(t *testing.T) {
	n, r := newNode(t, 1), NewReplica(0)
	for i := range 4 {
		if err := n.replica.Track(ChannelID(i), "key", nil, fmt.Sprintf("r%d", i+1), 0); err != nil {
			t.Fatalf("Track: %v", err)
		}
		n.flush(t)
	}
	apply := func(what string, d Delta, want bool, metas int) {
		t.Helper()
		if got := r.Apply(n.id, d).Behind; got != want || r.State().Len() != metas {
			t.Errorf("%s: behind = %v with %d metas; want %v with %d", what, got, r.State().Len(), want, metas)
		}
	}
	apply("an unknown node's second delta", n.sent[1], true, 0)
	apply("its first, which is all that it has", n.sent[0], false, 1)
	apply("a repeat", n.sent[0], false, 1)
	apply("a gap", n.sent[3], true, 1)
	apply("what was missing", n.sent[1], false, 2)
	apply("a whole", n.replica.Whole(), false, 4)
	apply("what that has", n.sent[2], false, 4)
	if seq, ok := r.Known(n.id); !ok || seq != n.replica.Seq() {
		t.Errorf("Known = %d, %v; want %d", seq, ok, n.replica.Seq())
	}
	r.Drop(n.id)
	apply("a late delta of a node that is gone", n.sent[3], true, 0)
}

// TestAReplicaThatBeginsAnew is that of a node on which all left, whose last delta was
// lost, before others came.
func TestAReplicaThatBeginsAnew(t *testing.T) {
	n, r := newNode(t, 1), NewReplica(0)
	track := func(ref string) {
		t.Helper()
		if err := n.replica.Track(1, "key", nil, ref, 0); err != nil {
			t.Fatalf("Track: %v", err)
		}
		n.flush(t)
	}
	track("first")
	r.Apply(n.id, n.sent[0])
	n.replica = NewReplica(100)
	if known, _ := r.Known(n.id); known >= n.replica.Seq() {
		t.Errorf("a node that knows %d is not behind %d", known, n.replica.Seq())
	}
	n.number = 60
	track("second")
	if behind := r.Apply(n.id, n.sent[1]).Behind; behind || r.State().Len() != 1 {
		t.Errorf("behind = %v with %d metas; want the second alone", behind, r.State().Len())
	}
}

func TestAReplicaTakesWhatItHasRoomFor(t *testing.T) {
	r := NewReplica(0)
	large := make([]byte, memberBytes)
	for i := range large {
		large[i] = ' '
	}
	large[0], large[len(large)-1] = '{', '}'
	var all []Listed
	for i := range 2 * partBytes / memberBytes {
		all = append(all, Listed{Meta: &Meta{Key: fmt.Sprint("k", i), Ref: fmt.Sprint(i), JSON: large}})
	}
	leftOut := r.Apply("n", Delta{Seq: 1, Whole: true, Joins: all}).LeftOut
	if got := r.State().Length(); got > partBytes || got < partBytes-2*memberBytes || leftOut != len(all)-r.State().Len() {
		t.Errorf("%d bytes are present and %d of %d metas left out; want %d bytes at most", got, leftOut, len(all), partBytes)
	}
	r.Apply("n", Delta{Seq: 2, Whole: true, Joins: all[len(all)-1:]})
	if got := r.State().Len(); got != 1 {
		t.Errorf("%d metas once there is room; want 1", got)
	}
}

func TestAClaimTakesAMetaOnce(t *testing.T) {
	r := NewReplica(0)
	if err := r.Track(1, "key", nil, "r", 7); err != nil {
		t.Fatal(err)
	}
	for seq, want := range [][]string{{"r"}, nil, nil} { // every delta tells all claims
		got := r.Apply("n", Delta{Seq: uint64(seq) + 1, Whole: true, Claims: []Claim{{"r", 1}}}).Lost
		if !slices.Equal(got, want) {
			t.Errorf("delta %d takes %q; want %q", seq+1, got, want)
		}
	}
}

func TestAClientTakesAlongWhatItTracks(t *testing.T) {
	a, b, c := newNode(t, 0), newNode(t, 1), newNode(t, 2)
	if err := a.replica.Track(1, "key", json.RawMessage(`{"n":1}`), "r", 7); err != nil {
		t.Fatal(err)
	}
	a.flush(t)
	for _, to := range []*node{b, c} {
		to.take(a, a.sent[0])
		to.flush(t)
	}
	for _, other := range []uint32{0, 8} {
		if _, ok := b.replica.Claim(1, "key", other); ok {
			t.Errorf("client %d took what another tracks", other)
		}
	}
	if _, ok := b.replica.Claim(1, "key", 7); !ok {
		t.Fatal("the client did not take along what it tracks")
	}
	if err := b.replica.Track(1, "key", json.RawMessage(`{"n":1}`), "unused", 7); err != nil {
		t.Fatal(err)
	}
	b.flush(t)
	if lost := c.replica.Apply(b.id, Delta{Seq: 1, Whole: true}).Lost; lost != nil {
		t.Error(lost)
	}
	c.take(b, b.sent[0])
	if a.take(b, b.sent[0]); a.ghosts == firstGhost {
		t.Fatal("the node that it left has not lost it")
	}
	for _, n := range []*node{a, b, c} {
		if n.replica.State().Pending() {
			t.Errorf("clients of %s see a change", n.id)
		}
	}
	a.giveUp()
	a.flush(t)
	c.take(a, a.sent[1])
	b.take(a, a.sent[1])
	for _, n := range []*node{a, b, c} {
		if n.replica.State().Pending() || n.replica.State().Len() != 1 {
			t.Errorf("clients of %s see %d metas, or a change", n.id, n.replica.State().Len())
		}
	}
	b.replica.Drop(a.id)
	b.replica.Untrack(1)
	b.flush(t)
	c.take(b, b.sent[1])
	if got := c.replica.State().Len(); got != 0 {
		t.Errorf("%d metas after the client has left; want 0", got)
	}
}
