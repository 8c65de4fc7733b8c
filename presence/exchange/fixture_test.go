package exchange

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
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

// guest is a member, with what its client makes of what it is told.
type guest struct {
	*presence.Member
	node    *node
	number  int
	key     string
	payload string // that it tracks

	mu    sync.Mutex
	sees  map[string]map[string]string // payloads by ref, by key; nil before the state
	heard []string
}

// enter has a member enter a room.
func (n *node) enter(t protocol.Topic, key, client string) *guest {
	n.town.guests++
	g := &guest{node: n, number: n.town.guests, key: key}
	g.Member = n.rooms.Member(t, presence.MemberConfig{
		Key: key, Watches: true, Client: client, Outbox: g,
		Address: protocol.Address{Version: protocol.V2, Topic: t.Name, JoinRef: `"1"`},
	})
	g.Enter(n.town.Context())
	return g
}

// present has a member track that is told nothing.
func (n *node) present(t protocol.Topic, key, payload string) error {
	m := n.rooms.Member(t, presence.MemberConfig{Key: key, Outbox: &guest{node: n}})
	_, err := m.Track(json.RawMessage(payload), false)
	return err
}

// appear has a member enter and track.
func (n *node) appear(t protocol.Topic, key, client, payload string) *guest {
	g := n.enter(t, key, client)
	g.track(payload)
	return g
}

func (g *guest) untrack() {
	g.payload = ""
	g.Untrack()
}

func (g *guest) track(payload string) {
	g.payload = payload
	if _, err := g.Track(json.RawMessage(payload), true); err != nil {
		g.node.town.Error(err)
	}
}

type metas map[string]struct{ Metas []json.RawMessage }

// Push implements presence.Outbox.
func (g *guest) Push(f *protocol.Frame) {
	var frame [5]json.RawMessage
	if err := json.Unmarshal(f.Payload(), &frame); err != nil {
		g.node.town.Errorf("frame %s: %v", f.Payload(), err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if string(frame[3]) == `"presence_state"` {
		g.sees = map[string]map[string]string{}
		state := metas{}
		g.read(frame[4], &state)
		g.join("=", state)
		return
	}
	var diff struct{ Joins, Leaves metas }
	g.read(frame[4], &diff)
	g.join("+", diff.Joins)
	for key, of := range diff.Leaves {
		for _, meta := range of.Metas {
			ref, payload := g.meta(meta)
			if g.sees[key][ref] != payload {
				g.node.town.Errorf("%s left with %s, which was not there", key, meta)
			}
			delete(g.sees[key], ref)
			g.heard = append(g.heard, "-"+key+payload)
		}
		if len(g.sees[key]) == 0 {
			delete(g.sees, key)
		}
	}
}

func (g *guest) read(raw []byte, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		g.node.town.Errorf("read %s: %v", raw, err)
	}
}

func (g *guest) join(sign string, state metas) {
	for key, of := range state {
		if g.sees[key] == nil {
			g.sees[key] = map[string]string{}
		}
		for _, meta := range of.Metas {
			ref, payload := g.meta(meta)
			g.sees[key][ref] = payload
			g.heard = append(g.heard, sign+key+payload)
		}
	}
}

// meta is the ref and the rest of a meta.
func (g *guest) meta(raw json.RawMessage) (ref, payload string) {
	fields := map[string]json.RawMessage{}
	g.read(raw, &fields)
	ref = string(fields["phx_ref"])
	delete(fields, "phx_ref")
	delete(fields, "phx_ref_prev")
	text, _ := json.Marshal(fields) // maps encode sorted
	return ref, string(text)
}

// took is what the client was told since it was called last, sorted.
func (g *guest) took() (heard []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	heard, g.heard = g.heard, nil
	slices.Sort(heard)
	return heard
}

// wantHeard compares what the client was told since the last time.
func (g *guest) wantHeard(what string, want ...string) {
	g.node.town.Helper()
	if got := g.took(); !slices.Equal(got, want) {
		g.node.town.Errorf("%s: a client of node %d was told %q; want %q", what, g.node.index, got, want)
	}
}

// view is what the client sees, as text.
func (g *guest) view() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return spell(g.sees)
}

func spell(sees map[string]map[string]string) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(sees)) {
		for _, ref := range slices.Sorted(maps.Keys(sees[key])) {
			lines = append(lines, fmt.Sprint(key, " ", ref, " ", sees[key][ref]))
		}
	}
	return strings.Join(lines, "\n")
}

// state is what the node says over HTTP, as a client would see it.
func (n *node) state(t protocol.Topic) string {
	g := &guest{node: n, sees: map[string]map[string]string{}}
	state := metas{}
	g.read(n.rooms.State(n.town.Context(), t), &state)
	g.join("=", state)
	return spell(g.sees)
}
