package presence

import (
	"slices"
	"sync"
	"testing"
	"time"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// otherNodes are Nodes that keep what they are told.
type otherNodes struct {
	mu   sync.Mutex
	held int
	seq  uint64
	sent []Delta
}

func (o *otherNodes) Hold(protocol.Topic) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held++
	return o.seq
}

func (o *otherNodes) Release(protocol.Topic) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held--
}

func (o *otherNodes) Send(_ protocol.Topic, d Delta) uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq++
	o.sent = append(o.sent, d)
	return o.seq
}

func (*otherNodes) Settled(protocol.Topic) <-chan struct{} { return nil }

// told is what was sent since it was called last: refs that joined and left.
func (o *otherNodes) told() (joins, leaves []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.sent {
		for _, l := range d.Joins {
			joins = append(joins, l.Ref)
		}
		leaves = append(leaves, d.Leaves...)
	}
	o.sent = nil
	return joins, leaves
}

// TestANodeListsForAMomentWhatAnotherHasClaimed so that nobody sees it leave who has not
// heard of the claim.
func TestANodeListsForAMomentWhatAnotherHasClaimed(t *testing.T) {
	others := &otherNodes{}
	inLobby(t, RoomsConfig{Grace: 20 * time.Second, Nodes: others}, func(l *lobby) {
		watcher := l.enter(MemberConfig{Watches: true}) // nobody answers: it does not wait for long
		l.appear(MemberConfig{Key: "ann", Client: "tab"}, `{"n":1}`).Leave(true)
		l.appear(MemberConfig{Key: "bob", Client: "tab"}, `{"n":2}`)
		l.pass(100 * time.Millisecond)
		joins, _ := others.told()
		if len(joins) != 2 {
			t.Fatalf("%q joined; want two", joins)
		}
		watcher.wantHeard("state", "+ann:1", "+bob:2")
		claims := []Claim{{joins[0], 1}, {joins[1], 1}}
		for seq := range uint64(4) { // it is told again and again
			l.rooms.Apply(crowded, "other", Delta{Seq: seq, Whole: true, Claims: claims})
			l.pass(200 * time.Millisecond)
		}
		renewed, leaves := others.told()
		if len(leaves) > 0 || len(renewed) != 1 {
			t.Errorf("at first %q left, and %q joined; want that one who is here got a new ref", leaves, renewed)
		}
		l.pass(300 * time.Millisecond)
		if _, leaves = others.told(); len(leaves) != 2 || !slices.Contains(leaves, joins[0]) || !slices.Contains(leaves, joins[1]) {
			t.Errorf("then %q left; want %q", leaves, joins)
		}
		watcher.wantHeard("+bob:2", "-ann:1", "-bob:2")
	})
}

// TestWhoLeavesLastIsTold also when the room goes at once.
func TestWhoLeavesLastIsTold(t *testing.T) {
	others := &otherNodes{}
	inLobby(t, RoomsConfig{Nodes: others}, func(l *lobby) {
		ann := l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		l.pass(100 * time.Millisecond)
		joins, _ := others.told()
		ann.Leave(false)
		if _, leaves := others.told(); !slices.Equal(leaves, joins) || len(joins) != 1 {
			t.Errorf("%q left of %q; want all, before another room can be made", leaves, joins)
		}
		l.wantRooms(0)
		if others.held != 0 {
			t.Errorf("%d topics are held; want none", others.held)
		}
		before := time.Now()
		if got := string(l.rooms.State(l.Context(), crowded)); got != "{}" || time.Since(before) != nodes.SettleLimit {
			t.Errorf("State = %s after %s; want {} after %s", got, time.Since(before), nodes.SettleLimit)
		}
		l.wantRooms(0)
	})
}
