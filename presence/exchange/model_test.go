package exchange

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/presence"
	"walcast/protocol"
)

// TestNodesComeToShowTheSame has clients come, change, go from node to node and leave, while
// messages are lost, nodes are cut off from each other, killed and started. After three
// seconds of rest all clients see the same, which is what every node says, and what there
// is.
func TestNodesComeToShowTheSame(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			grace := time.Duration(seed%3) * 700 * time.Millisecond
			inTown(t, 3, presence.RoomsConfig{Grace: grace}, func(w *town) {
				m := &mess{town: w, rand: rand.New(rand.NewPCG(seed, 1)), guests: map[*guest]protocol.Topic{}}
				for range 4 {
					w.loseOneOf(5, seed)
					for range 60 {
						m.step()
						w.pass(time.Duration(m.rand.IntN(60)) * time.Millisecond)
					}
					w.mend()
					w.pass(3*time.Second + grace + 100*time.Millisecond)
					m.check()
				}
			})
		})
	}
}

// mess is what happens at random.
type mess struct {
	*town
	rand   *rand.Rand
	guests map[*guest]protocol.Topic
}

func (m *mess) live() (nodes []*node) {
	for _, n := range m.nodes {
		if !n.dead {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// any is one of those who are there, in no order that depends on maps.
func (m *mess) any() *guest {
	var all []*guest
	for g := range m.guests {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *guest) int { return a.number - b.number })
	if len(all) == 0 {
		return nil
	}
	return all[m.rand.IntN(len(all))]
}

func (m *mess) come() {
	live, i := m.live(), m.rand.IntN(8)
	t := []protocol.Topic{room, other}[i%2]
	client := ""
	if i < 6 {
		client = fmt.Sprint("c", i)
	}
	g := live[m.rand.IntN(len(live))].enter(t, fmt.Sprint("k", i%4), client)
	if m.rand.IntN(4) > 0 {
		g.track(fmt.Sprintf(`{"n":%d}`, m.rand.IntN(3)))
	}
	m.guests[g] = t
}

func (m *mess) step() {
	g := m.any()
	switch what := m.rand.IntN(30); {
	case g == nil || what < 10:
		m.come()
	case what < 16:
		g.track(fmt.Sprintf(`{"n":%d}`, m.rand.IntN(3)))
	case what < 18:
		g.untrack()
	case what < 24:
		g.Leave(m.rand.IntN(2) == 0)
		delete(m.guests, g)
	case what < 28:
		a := m.rand.IntN(len(m.nodes))
		b := m.rand.IntN(len(m.nodes))
		m.part(a, b, m.rand.IntN(2) == 0)
	case len(m.live()) > 2:
		m.end(m.live()[m.rand.IntN(3)])
		m.add()
	}
}

// end kills a node, or stops it.
func (m *mess) end(n *node) {
	kill := m.rand.IntN(2) == 0
	if kill {
		n.kill()
	}
	for g := range m.guests {
		if g.node == n {
			delete(m.guests, g)
		}
	}
	n.stop()
}

// check compares what all clients see, and all nodes say.
func (m *mess) check() {
	m.Helper()
	for _, t := range []protocol.Topic{room, other} {
		want := m.live()[0].state(t)
		for _, n := range m.live()[1:] {
			if got := n.state(t); got != want {
				m.Errorf("node %d says of %s\n%s\nand node %d\n%s", n.index, t.Name, got, m.live()[0].index, want)
			}
		}
		tracked := map[string]bool{}
		for g, of := range m.guests {
			if of != t {
				continue
			}
			if got := g.view(); got != want {
				m.Errorf("a client of node %d sees of %s\n%s\nwant\n%s", g.node.index, t.Name, got, want)
			}
			if g.payload != "" {
				tracked[g.key+g.payload] = true
			}
		}
		for line := range strings.Lines(want + "\n") {
			if f := strings.Fields(line); len(f) == 3 && !tracked[f[0]+f[2]] {
				m.Errorf("%s is shown on %s, and nobody tracks it", line, t.Name)
			}
		}
		for is := range tracked {
			if !strings.Contains(strings.ReplaceAll(want, " ", ""), is[2:]) {
				m.Errorf("%s is tracked on %s, and is not shown:\n%s", is, t.Name, want)
			}
		}
	}
}

// TestNobodyWhoStaysIsShownAsLeft has others come and go, and messages be lost.
func TestNobodyWhoStaysIsShownAsLeft(t *testing.T) {
	for seed := range uint64(10) {
		inTown(t, 3, presence.RoomsConfig{}, func(w *town) {
			m := &mess{town: w, rand: rand.New(rand.NewPCG(seed, 2)), guests: map[*guest]protocol.Topic{}}
			var stay []*guest
			for i, n := range w.nodes {
				stay = append(stay, n.appear(room, fmt.Sprint("stay", i), "", `{}`))
			}
			w.pass(time.Second)
			w.loseOneOf(10, seed)
			for range 300 {
				if g := m.any(); g == nil || m.rand.IntN(2) == 0 {
					m.come()
				} else {
					g.Leave(false)
					delete(m.guests, g)
				}
				w.pass(time.Duration(m.rand.IntN(60)) * time.Millisecond)
			}
			for _, g := range stay {
				for _, heard := range g.took() {
					if strings.HasPrefix(heard, "-stay") {
						t.Errorf("seed %d: a client of node %d was told %s", seed, g.node.index, heard)
					}
				}
			}
		})
	}
}
