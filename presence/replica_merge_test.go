package presence

import (
	"encoding/json"
	"fmt"
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
	sent    []Delta
}

func newNode(t fataler, i int) *node {
	n := &node{id: NodeID(fmt.Sprintf("node%d", i)), replica: NewReplica(), refs: NewRefSource([12]byte{byte(i)}), client: &client{}}
	n.client.onState(t, n.replica.State().AppendState(nil))
	return n
}

func (n *node) flush(t fataler) {
	if diff := n.replica.State().Flush(); !diff.Empty() {
		n.client.onDiff(t, diff.AppendTo(nil))
	}
}

// change does something to one of the node's own channels.
func (n *node) change(t *rapid.T) {
	id := ChannelID(rapid.IntRange(1, 4).Draw(t, "channel"))
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		if d, ok := n.replica.Untrack(id); ok {
			n.sent = append(n.sent, d)
		}
	case 1:
		n.replica.Adopt(id, ChannelID(rapid.IntRange(1, 4).Draw(t, "adopts")))
	default:
		payload := fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 2).Draw(t, "n"))
		d, ok, err := n.replica.Track(id, fmt.Sprintf("key %d", id%3), json.RawMessage(payload), n.refs.Next())
		if err != nil {
			t.Fatalf("Track: %v", err)
		}
		if ok {
			n.sent = append(n.sent, d)
		}
	}
}

// wantSame compares replicas with what their nodes track, without the order of
// metas, and each node's client with its replica.
func wantSame(t *rapid.T, nodes []*node, wants func(at, of *node) bool) {
	for _, at := range nodes {
		want := map[string]map[string]map[string]any{}
		metas := 0
		for _, of := range nodes {
			if !wants(at, of) {
				continue
			}
			for _, m := range of.replica.Full().Metas {
				if want[m.Key] == nil {
					want[m.Key] = map[string]map[string]any{}
				}
				want[m.Key][m.Ref] = decode[map[string]any](t, m.JSON)
				metas++
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
		if got := at.replica.State().Len(); got != metas {
			t.Fatalf("Len() = %d at %s; want %d", got, at.id, metas)
		}
	}
}

func everybody(_, _ *node) bool { return true }

// Whatever the order in which deltas come, and however often, all nodes have
// the same state once all have come.
func TestReplicasConvergeInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := []*node{newNode(t, 0), newNode(t, 1), newNode(t, 2)}
		for _, n := range nodes {
			for range rapid.IntRange(0, 20).Draw(t, "changes") {
				n.change(t)
			}
		}
		for _, at := range nodes {
			for _, of := range nodes {
				if at == of {
					continue
				}
				at.replica.ApplyFull(of.id, Full{})
				repeats := rapid.SliceOfN(rapid.IntRange(0, max(0, len(of.sent)-1)), 0, 5).Draw(t, "repeats")
				order := rapid.Permutation(append(indexes(of.sent), repeats...)).Draw(t, "order")
				for _, i := range order {
					if i < len(of.sent) {
						at.replica.Apply(of.id, of.sent[i])
					}
					if rapid.Bool().Draw(t, "flush") {
						at.flush(t)
					}
				}
				if at.replica.Behind(of.id, of.replica.Seq()) {
					t.Fatalf("%s is behind %s after all deltas", at.id, of.id)
				}
			}
		}
		wantSame(t, nodes, everybody)
	})
}

func indexes(deltas []Delta) (is []int) {
	for i := range deltas {
		is = append(is, i)
	}
	return is
}

// Deltas are lost, nodes are dropped and come back, fulls come late and more
// than once; a last full of every node makes all the same.
func TestReplicasConvergeAfterLosses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := []*node{newNode(t, 0), newNode(t, 1), newNode(t, 2)}
		pick := rapid.SampledFrom(nodes)
		fulls := map[NodeID][]Full{}
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			at, of := pick.Draw(t, "at"), pick.Draw(t, "of")
			switch step := rapid.IntRange(0, 5).Draw(t, "step"); {
			case step <= 1:
				at.change(t)
			case at == of:
				at.flush(t)
			case step == 2 && len(of.sent) > 0:
				i := rapid.IntRange(0, len(of.sent)-1).Draw(t, "from delta")
				at.replica.Apply(of.id, of.sent[i:rapid.IntRange(i, len(of.sent)).Draw(t, "to delta")]...)
			case step == 3:
				fulls[of.id] = append(fulls[of.id], of.replica.Full())
			case step == 4 && len(fulls[of.id]) > 0:
				at.replica.ApplyFull(of.id, rapid.SampledFrom(fulls[of.id]).Draw(t, "full"))
			case step == 5:
				at.replica.Drop(of.id)
			}
		}
		for _, at := range nodes {
			for _, of := range nodes {
				if at != of {
					at.replica.ApplyFull(of.id, of.replica.Full())
				}
			}
		}
		wantSame(t, nodes, everybody)
		for _, at := range nodes {
			at.replica.Drop(nodes[0].id)
		}
		wantSame(t, nodes, func(at, of *node) bool { return of != nodes[0] || at == of })
	})
}

func TestReplicaTellsWhenItIsBehind(t *testing.T) {
	n, r := newNode(t, 1), NewReplica()
	for i := range 4 {
		d, _, err := n.replica.Track(ChannelID(i), "key", nil, fmt.Sprintf("r%d", i+1))
		if err != nil {
			t.Fatalf("Track: %v", err)
		}
		n.sent = append(n.sent, d)
	}
	want := func(what string, got, want bool, metas int) {
		t.Helper()
		if got != want || r.State().Len() != metas {
			t.Errorf("%s: behind = %v with %d metas; want %v with %d", what, got, r.State().Len(), want, metas)
		}
	}
	want("an unknown node's delta", r.Apply(n.id, n.sent[0]), true, 0)
	r.ApplyFull(n.id, Full{})
	want("the first delta", r.Apply(n.id, n.sent[0]), false, 1)
	want("a repeat", r.Apply(n.id, n.sent[0]), false, 1)
	want("a gap", r.Apply(n.id, n.sent[3]), true, 1)
	want("half of what was missing", r.Apply(n.id, n.sent[1]), true, 2)
	want("all of it", r.Apply(n.id, n.sent[2]), false, 4)
	want("the node's last number", r.Behind(n.id, 4), false, 4)
	want("the last one lost", r.Behind(n.id, 5), true, 4)
	r.Drop(n.id)
	want("a late delta of a node that is gone", r.Apply(n.id, n.sent[3]), true, 0)
}

func TestReplicaHoldsALimitedNumberOfEarlyDeltas(t *testing.T) {
	r := NewReplica()
	r.ApplyFull("n", Full{})
	for i := range 3 * maxAhead {
		r.Apply("n", Delta{Seq: uint64(i + 2), Join: &Meta{Key: "k", Ref: fmt.Sprint(i), JSON: []byte(`{}`)}})
	}
	if got := len(r.parts["n"].ahead); got != maxAhead {
		t.Errorf("%d deltas wait for the first; want %d", got, maxAhead)
	}
	if r.Apply("n", Delta{Seq: 1}); r.parts["n"].seq != maxAhead+1 {
		t.Errorf("after the first delta the replica is at %d; want %d", r.parts["n"].seq, maxAhead+1)
	}
}
