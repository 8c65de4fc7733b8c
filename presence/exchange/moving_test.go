package exchange

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"walcast/presence"
)

// TestAClientGoesToAnotherNode has a client with a client_id come back to another node than
// the one that it was on, in whatever way that has lost it.
func TestAClientGoesToAnotherNode(t *testing.T) {
	const grace = 10 * time.Second
	for how, lose := range map[string]func(*town, *guest){
		"its node was killed":           func(w *town, _ *guest) { w.nodes[0].kill() },
		"its node was stopped":          func(w *town, g *guest) { g.Leave(true); w.nodes[0].stop() },
		"its socket ended":              func(_ *town, g *guest) { g.Leave(true) },
		"its socket ends unnoticed":     func(w *town, g *guest) { go func() { <-time.After(3 * time.Second); g.Leave(true) }() },
		"its node is cut off meanwhile": func(w *town, g *guest) { w.part(0, 1, true); w.part(0, 2, true); g.Leave(true) },
	} {
		for _, payload := range []string{`{"n":1}`, `{"n":2}`} {
			t.Run(how+", and it tracks "+payload, func(t *testing.T) {
				inTown(t, 3, presence.RoomsConfig{Grace: grace}, func(w *town) {
					ann := w.nodes[0].appear(room, "ann", "tab", `{"n":1}`)
					near, far := w.nodes[1].enter(room, "", ""), w.nodes[2].enter(room, "", "")
					w.settle()
					near.took()
					far.took()
					lose(w, ann)
					w.pass(time.Second)
					again := w.nodes[1].appear(room, "ann", "tab", payload)
					w.pass(500 * time.Millisecond)
					w.part(0, 1, false)
					w.part(0, 2, false)
					w.pass(2 * grace)
					for _, g := range []*guest{near, far} {
						heard := g.took()
						ours := []string{}
						if payload != `{"n":1}` {
							ours = []string{`+ann{"n":2}`, `-ann{"n":1}`}
						}
						// A node that takes the client for one that is still there shows it once more.
						if how == "its socket ends unnoticed" {
							ours = append(ours, `+ann{"n":1}`, `-ann{"n":1}`)
						}
						wantSameTexts(t, fmt.Sprint("a client of node ", g.node.index), heard, ours)
						if got := g.view(); strings.Count(got, "ann") != 1 || !strings.Contains(got, payload) {
							t.Errorf("in the end a client of node %d sees\n%s", g.node.index, got)
						}
					}
					again.Leave(false)
					w.pass(time.Second)
					for _, g := range []*guest{near, far} {
						if got := g.view(); got != "" {
							t.Errorf("after it has left a client of node %d sees\n%s", g.node.index, got)
						}
					}
				})
			})
		}
	}
}

func wantSameTexts(t *testing.T, who string, got, want []string) {
	t.Helper()
	count := map[string]int{}
	for _, text := range got {
		count[text]++
	}
	for _, text := range want {
		count[text]--
	}
	for _, n := range count {
		if n != 0 {
			t.Errorf("%s was told %q; want %q", who, got, want)
			return
		}
	}
}

// TestAClientGoesToAndFro has it come back to the node that it was on first.
func TestAClientGoesToAndFro(t *testing.T) {
	inTown(t, 3, presence.RoomsConfig{Grace: 10 * time.Second}, func(w *town) {
		far := w.nodes[2].enter(room, "", "")
		g := w.nodes[0].appear(room, "ann", "tab", `{"n":1}`)
		w.pass(100 * time.Millisecond)
		far.wantHeard("it comes", `+ann{"n":1}`)
		for n := range 7 {
			g.Leave(true)
			w.pass(time.Duration(n) * 200 * time.Millisecond)
			g = w.nodes[(n+1)%2].appear(room, "ann", "tab", `{"n":1}`)
			w.pass(time.Duration(n) * 100 * time.Millisecond)
		}
		w.pass(time.Minute)
		far.wantHeard("nothing")
		g.Untrack()
		w.pass(time.Second)
		far.wantHeard("it leaves", `-ann{"n":1}`)
	})
}

// TestAnotherClientIsNotTakenForOneOfAnotherNode has two with one key, and one that comes
// back and does not want to be present.
func TestAnotherClientIsNotTakenForOneOfAnotherNode(t *testing.T) {
	inTown(t, 2, presence.RoomsConfig{Grace: 10 * time.Second}, func(w *town) {
		far := w.nodes[1].enter(room, "", "")
		w.nodes[0].appear(room, "ann", "phone", `{"n":1}`).Leave(true)
		w.nodes[0].appear(room, "ann", "", `{"n":1}`).Leave(true)
		w.pass(time.Second)
		far.took()
		w.nodes[1].appear(room, "ann", "laptop", `{"n":1}`)
		w.nodes[1].appear(room, "bob", "phone", `{"n":1}`)
		w.pass(time.Second)
		far.wantHeard("others", `+ann{"n":1}`, `+bob{"n":1}`)
		w.nodes[1].enter(room, "ann", "phone").Untrack()
		w.pass(time.Second)
		far.wantHeard("one that untracks elsewhere", `-ann{"n":1}`)
	})
}
