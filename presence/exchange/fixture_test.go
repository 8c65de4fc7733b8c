package exchange

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"walcast/presence"
	"walcast/protocol"
)

var (
	room  = protocol.Topic{Name: "realtime:room"}
	other = protocol.Topic{Name: "realtime:other"}
)

// town is nodes on a bus made of values, in fake time.
type town struct {
	*testing.T
	config presence.RoomsConfig
	nodes  []*node
	guests int // that have entered

	mu   sync.Mutex
	cut  map[[2]int]bool // pairs of nodes that do not reach each other
	lose func() bool     // loses a message, nil loses none
}

// inTown plays a story on nodes that know each other.
func inTown(t *testing.T, count int, config presence.RoomsConfig, story func(*town)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &town{T: t, config: config, cut: map[[2]int]bool{}}
		defer func() {
			for _, n := range w.nodes {
				n.stop()
			}
		}()
		for range count {
			w.add()
		}
		w.pass(time.Second)
		story(w)
	})
}

// pass lets fake time pass, and what is due happen.
func (w *town) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// settle lets the time pass in which nodes come to show the same.
func (w *town) settle() { w.pass(3 * time.Second) }

// node is the rooms of one node. It is its own bus.
type node struct {
	town     *town
	index    int
	rooms    *presence.Rooms
	exchange *Exchange
	stop     func() // in order
	kill     func() // without a word

	mu       sync.Mutex
	listens  map[string]int
	waiting  [][]byte
	arrives  chan struct{}
	subjects []string // of what has come
	bytes    int      // the longest message that has come
	dead     bool
	offline  bool // and knows it
	frozen   chan struct{}
}

func (w *town) add() *node {
	n := &node{town: w, index: len(w.nodes), listens: map[string]int{}, arrives: make(chan struct{}, 1)}
	w.mu.Lock()
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	n.exchange = New(n, w.config.Grace, slog.New(slog.DiscardHandler), nil)
	c := w.config
	c.Nodes, c.Seed = n.exchange, [12]byte{byte(n.index)}
	n.rooms = presence.NewRooms(c, nil)
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = n.rooms.Run(ctx) })
	running.Go(func() {
		if err := n.exchange.Run(ctx, n.rooms); err != nil {
			w.Error(err)
		}
	})
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		n.mu.Lock()
		defer n.mu.Unlock()
		n.dead = true
	})
	n.kill = func() {
		n.mu.Lock()
		n.dead = true
		n.mu.Unlock()
		n.stop()
	}
	return n
}

// freeze has the node do nothing until thaw is called.
func (n *node) freeze() (thaw func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.frozen = make(chan struct{})
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		close(n.frozen)
		n.frozen = nil
	}
}

// live waits for the node to be thawed.
func (n *node) live() {
	n.mu.Lock()
	frozen := n.frozen
	n.mu.Unlock()
	if frozen != nil {
		<-frozen
	}
}

// Run implements Bus.
func (n *node) Run(ctx context.Context, ready func()) {
	ready()
	<-ctx.Done()
}

// Connected implements Bus.
func (n *node) Connected() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.offline
}

// set takes a node from the bus, or brings it back.
func (n *node) set(offline bool) {
	n.mu.Lock()
	n.offline = offline
	n.mu.Unlock()
	for _, o := range n.town.nodes {
		n.town.part(n.index, o.index, offline)
	}
}

// Listen implements Bus.
func (n *node) Listen(subject string) (stop func(), err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listens[subject]++
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.listens[subject]--
	}, nil
}

// Send implements Bus.
func (n *node) Send(subject string, data []byte) error {
	n.live()
	n.mu.Lock()
	dead := n.dead
	n.mu.Unlock()
	n.town.mu.Lock()
	defer n.town.mu.Unlock()
	for _, to := range n.town.nodes {
		apart := n.town.cut[[2]int{min(n.index, to.index), max(n.index, to.index)}]
		if to != n && !dead && !apart && (n.town.lose == nil || !n.town.lose()) {
			to.arrive(subject, data)
		}
	}
	return nil
}

func (n *node) arrive(subject string, data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listens[subject] == 0 {
		return
	}
	n.waiting = append(n.waiting, data)
	n.subjects = append(n.subjects, subject)
	n.bytes = max(n.bytes, len(data))
	signal(n.arrives)
}

// Each implements Bus.
func (n *node) Each(ctx context.Context, take func(message []byte) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.arrives:
		}
		n.live()
		n.mu.Lock()
		waiting := n.waiting
		n.waiting = nil
		n.mu.Unlock()
		for _, data := range waiting {
			if err := take(data); err != nil {
				n.town.Errorf("a message cannot be read: %v", err)
			}
		}
	}
}

// part sets whether two nodes reach each other.
func (w *town) part(a, b int, apart bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut[[2]int{min(a, b), max(a, b)}] = apart
}

// loseOneOf has one of so many messages be lost.
func (w *town) loseOneOf(many int, seed uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	losses := rand.New(rand.NewPCG(seed, 3))
	w.lose = func() bool { return losses.IntN(many) == 0 }
}

// mend has all nodes reach each other, and nothing be lost.
func (w *town) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = nil
	clear(w.cut)
}
