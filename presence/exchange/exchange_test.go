package exchange

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/presence"
)

func TestMembersOfAllNodesSeeEachOther(t *testing.T) {
	inTown(t, 3, presence.RoomsConfig{}, func(w *town) {
		a := w.nodes[0].appear(room, "ann", "", `{"n":1}`)
		b := w.nodes[1].enter(room, "", "")
		b.wantHeard("the first state is that of all nodes", `=ann{"n":1}`)
		b2 := w.nodes[1].appear(room, "bob", "", `{"n":2}`)
		w.pass(100 * time.Millisecond)
		a.wantHeard("joins", `+ann{"n":1}`, `+bob{"n":2}`)
		a.track(`{"n":3}`)
		w.pass(100 * time.Millisecond)
		b.wantHeard("an update", `+ann{"n":3}`, `+bob{"n":2}`, `-ann{"n":1}`)
		if a.view() != b.view() || a.view() == "" {
			t.Errorf("one sees\n%s\nand the other\n%s", a.view(), b.view())
		}
		if got := w.nodes[2].state(room); got != a.view() {
			t.Errorf("a node without members says\n%s\nwant\n%s", got, a.view())
		}
		if got := w.nodes[2].state(other); got != "" {
			t.Errorf("on another topic are %s", got)
		}
		a.Leave(false)
		b2.Untrack()
		w.pass(100 * time.Millisecond)
		b.wantHeard("leaves", `-ann{"n":3}`, `-bob{"n":2}`)
		b.Leave(false)
		b2.Leave(false)
		w.settle()
		for _, n := range w.nodes {
			if n.exchange.roll.size() != 0 {
				t.Errorf("node %d still holds topics", n.index)
			}
		}
	})
}

func TestOnlyNodesWithMembersAreTold(t *testing.T) {
	inTown(t, 3, presence.RoomsConfig{}, func(w *town) {
		w.nodes[2].enter(other, "", "")
		w.nodes[1].enter(room, "", "")
		for n := range 10 {
			w.nodes[0].appear(room, fmt.Sprint("k", n), "", `{}`)
			w.pass(100 * time.Millisecond)
		}
		count := func(n *node) (count int) {
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, s := range n.subjects {
				if s == digestOf(room).subject() {
					count++
				}
			}
			return count
		}
		if count(w.nodes[1]) != 10 || count(w.nodes[2]) != 0 {
			t.Errorf("a node with members was told %d times, one without %d times; want 10 and 0", count(w.nodes[1]), count(w.nodes[2]))
		}
	})
}

// TestAStormIsFewMessages has a thousand come at once.
func TestAStormIsFewMessages(t *testing.T) {
	inTown(t, 2, presence.RoomsConfig{}, func(w *town) {
		watcher := w.nodes[1].enter(room, "", "")
		for n := range 1000 {
			if err := w.nodes[0].present(room, fmt.Sprint("k", n), `{}`); err != nil {
				t.Fatal(err)
			}
			<-time.After(100 * time.Microsecond)
		}
		w.pass(time.Second)
		if got := len(watcher.took()); got != 1000 {
			t.Errorf("%d joined; want 1000", got)
		}
		w.nodes[1].mu.Lock()
		defer w.nodes[1].mu.Unlock()
		if got := len(w.nodes[1].subjects); got > 60 {
			t.Errorf("%d messages; want some dozens", got)
		}
	})
}

// TestALargeRoomCrossesInParts has a room as full as one node may make it.
func TestALargeRoomCrossesInParts(t *testing.T) {
	inTown(t, 2, presence.RoomsConfig{}, func(w *town) {
		payload := `{"text":"` + strings.Repeat("x", 50_000) + `"}`
		for n := range 40 {
			if err := w.nodes[0].present(room, fmt.Sprint("k", n), payload); err != nil {
				t.Fatal(err)
			}
		}
		w.settle()
		late := w.nodes[1].enter(room, "", "")
		w.settle()
		if got := late.view(); got != w.nodes[0].state(room) || strings.Count(got, "\n") != 39 {
			t.Errorf("a client of the other node sees %d bytes; want %d", len(got), len(w.nodes[0].state(room)))
		}
		if got := w.nodes[1].bytes; got > 2*partSize || got < partSize/2 {
			t.Errorf("the longest message has %d bytes; want about %d", got, partSize)
		}
		taken := 0
		for w.nodes[1].present(room, fmt.Sprint("l", taken), payload) == nil {
			taken++
		}
		if taken > 3 {
			t.Errorf("a room that members of another node have filled takes %d more", taken)
		}
	})
}

func TestWhatIsLostIsAskedFor(t *testing.T) {
	inTown(t, 2, presence.RoomsConfig{}, func(w *town) {
		ann := w.nodes[0].appear(room, "ann", "", `{"n":1}`)
		watcher := w.nodes[1].enter(room, "", "")
		watcher.took()
		w.part(0, 1, true)
		ann.track(`{"n":2}`)
		w.pass(100 * time.Millisecond)
		w.part(0, 1, false)
		w.pass(100 * time.Millisecond)
		watcher.wantHeard("nothing has come")
		w.pass(time.Second)
		watcher.wantHeard("the next summary tells", `+ann{"n":2}`, `-ann{"n":1}`)
	})
}

func TestADeadNodeLeaves(t *testing.T) {
	for _, grace := range []time.Duration{0, 20 * time.Second} {
		for _, how := range []string{"killed", "stopped", "cut off"} {
			t.Run(fmt.Sprint(how, " with a grace time of ", grace), func(t *testing.T) {
				inTown(t, 3, presence.RoomsConfig{Grace: grace}, func(w *town) {
					w.nodes[0].appear(room, "ann", "", `{"n":1}`)
					watcher := w.nodes[1].appear(room, "bob", "", `{"n":2}`)
					idle := w.nodes[2].enter(room, "", "")
					w.settle()
					watcher.took()
					idle.took()
					switch how {
					case "killed":
						w.nodes[0].kill()
					case "stopped":
						w.nodes[0].stop()
					case "cut off":
						w.part(0, 1, true)
						w.part(0, 2, true)
					}
					if grace > 0 {
						w.pass(grace - 100*time.Millisecond)
						watcher.wantHeard("within the grace time")
					}
					w.pass(3*time.Second + 100*time.Millisecond)
					watcher.wantHeard("after it", `-ann{"n":1}`)
					idle.wantHeard("after it", `-ann{"n":1}`)
					if how != "cut off" {
						return
					}
					w.part(0, 1, false)
					w.part(0, 2, false)
					w.pass(time.Second)
					watcher.wantHeard("once they are together again", `+ann{"n":1}`)
				})
			})
		}
	}
}

// TestANodeThatIsSilentForAMoment is not taken for dead, and what it has told since is
// known.
func TestANodeThatIsSilentForAMoment(t *testing.T) {
	inTown(t, 2, presence.RoomsConfig{}, func(w *town) {
		ann := w.nodes[0].appear(room, "ann", "", `{"n":1}`)
		watcher := w.nodes[1].appear(room, "bob", "", `{"n":2}`)
		w.settle()
		watcher.took()
		w.part(0, 1, true)
		ann.track(`{"n":3}`)
		w.pass(1800 * time.Millisecond)
		w.part(0, 1, false)
		w.pass(time.Second)
		watcher.wantHeard("an update alone", `+ann{"n":3}`, `-ann{"n":1}`)
		if strings.Contains(watcher.view(), `"n":1`) {
			t.Error(watcher.view())
		}
	})
}

// TestANodeWithoutTheBus knows that it cannot know who has gone, and shows what it knew.
func TestANodeWithoutTheBus(t *testing.T) {
	inTown(t, 2, presence.RoomsConfig{}, func(w *town) {
		bob := w.nodes[1].appear(room, "bob", "", `{"n":2}`)
		watcher := w.nodes[0].appear(room, "ann", "", `{"n":1}`)
		w.settle()
		watcher.took()
		bob.took()
		w.nodes[0].set(true)
		w.pass(10 * time.Second)
		watcher.wantHeard("without the bus")
		bob.wantHeard("the other is gone", `-ann{"n":1}`)
		watcher.track(`{"n":3}`)
		late := w.nodes[0].enter(other, "", "")
		late.wantHeard("nobody is waited for")
		w.nodes[0].set(false)
		w.pass(time.Second)
		watcher.wantHeard("its own", `+ann{"n":3}`, `-ann{"n":1}`)
		bob.wantHeard("once it is back", `+ann{"n":3}`)
	})
}

// TestAFrozenNode does not take the others for gone when it goes on.
func TestAFrozenNode(t *testing.T) {
	inTown(t, 3, presence.RoomsConfig{}, func(w *town) {
		ann, bob := w.nodes[0].appear(room, "ann", "", `{"n":1}`), w.nodes[1].appear(room, "bob", "", `{"n":2}`)
		w.nodes[2].appear(room, "carl", "", `{"n":3}`)
		w.settle()
		ann.took()
		bob.took()
		thaw := w.nodes[0].freeze()
		w.pass(20 * time.Second)
		bob.wantHeard("who is frozen is gone", `-ann{"n":1}`)
		bob.track(`{"n":4}`)
		w.nodes[2].kill()
		w.pass(time.Second)
		thaw()
		w.pass(time.Second)
		bob.wantHeard("and is back", `+ann{"n":1}`, `+bob{"n":4}`, `-bob{"n":2}`)
		ann.wantHeard("what has changed meanwhile", `+bob{"n":4}`, `-bob{"n":2}`)
		w.settle()
		ann.wantHeard("who died meanwhile", `-carl{"n":3}`)
	})
}

// TestAPartitionHealsToTheUnion has both sides go on by themselves.
func TestAPartitionHealsToTheUnion(t *testing.T) {
	inTown(t, 3, presence.RoomsConfig{}, func(w *town) {
		var guests []*guest
		for i, n := range w.nodes {
			guests = append(guests, n.appear(room, fmt.Sprint("before", i), "", `{}`))
		}
		w.part(0, 1, true)
		w.part(0, 2, true)
		w.settle()
		guests[1].Leave(false)
		for i, n := range w.nodes {
			guests = append(guests, n.appear(room, fmt.Sprint("meanwhile", i), "", `{}`))
		}
		w.pass(10 * time.Second)
		if got := guests[0].view(); strings.Contains(got, "meanwhile1") || !strings.Contains(got, "meanwhile0") || strings.Contains(got, "before2") {
			t.Errorf("while apart the first sees\n%s", got)
		}
		w.part(0, 1, false)
		w.part(0, 2, false)
		w.settle()
		want := guests[0].view()
		if strings.Count(want, "\n") != 4 || strings.Contains(want, "before1") {
			t.Errorf("the union is\n%s", want)
		}
		for _, g := range slices.Delete(guests, 1, 2) {
			if got := g.view(); got != want {
				t.Errorf("a client of node %d sees\n%s\nwant\n%s", g.node.index, got, want)
			}
		}
	})
}
