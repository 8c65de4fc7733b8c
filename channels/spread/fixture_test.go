package spread

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"walcast/channels/topics"
	"walcast/cluster"
	"walcast/internal/await"
	"walcast/protocol"
	"walcast/test/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = 30 * time.Second

var room = protocol.Topic{Name: "realtime:room"}

// node is the topics of one node, on a bus of its own that listens on this machine.
type node struct {
	*topics.Topics
	*testing.T
	spread *Spread
	reg    *prometheus.Registry
	stop   func()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// newNode runs a node until the test ends, or stop is called.
func newNode(t *testing.T, listen string, peers ...string) *node {
	t.Helper()
	n := &node{T: t, reg: prometheus.NewRegistry()}
	logger := slog.New(slog.DiscardHandler)
	c := cluster.Config{Listen: listen, Peers: peers, Secret: "the-secret-of-this-cluster"}
	bus := cluster.New(c, "slot", func() cluster.Node { return cluster.Node{Node: listen} }, nil, logger, n.reg)
	n.spread = New(bus.Feed(64<<20), logger, n.reg)
	n.Topics = topics.New(topics.Config{Window: time.Hour, MaxTopics: 1000, MaxBroadcastBytes: 1 << 20, Nodes: n.spread}, logger, n.reg)
	buses, stopBus := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(buses)
	var running, busRunning sync.WaitGroup
	busRunning.Go(func() {
		if err := bus.Run(buses, func(context.Context) (string, error) { return "made", nil }); err != nil {
			t.Errorf("bus of %s: %v", listen, err)
		}
	})
	running.Go(func() {
		if err := n.spread.Run(ctx, n.Topics); err != nil {
			t.Errorf("spread of %s: %v", listen, err)
		}
	})
	n.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		stopBus()
		busRunning.Wait()
	})
	t.Cleanup(n.stop)
	return n
}

// newUnlinked is a node whose bus is never run.
func newUnlinked(t *testing.T) *node {
	n := &node{T: t, reg: prometheus.NewRegistry()}
	logger := slog.New(slog.DiscardHandler)
	bus := cluster.New(cluster.Config{}, "slot", func() cluster.Node { return cluster.Node{} }, nil, logger, n.reg)
	n.spread = New(bus.Feed(1<<20), logger, n.reg)
	n.Topics = topics.New(topics.Config{Window: time.Hour, MaxTopics: 1000, Nodes: n.spread}, logger, n.reg)
	return n
}

// knows waits until the node has heard of so many others.
func (n *node) knows(others int) {
	n.Helper()
	await.True(n, patience, fmt.Sprintf("a node to know %d others", others), func() bool {
		n.spread.hearing.mu.Lock()
		defer n.spread.hearing.mu.Unlock()
		met := 0
		for _, s := range n.spread.hearing.sources {
			if s.met {
				met++
			}
		}
		return met == others
	})
}

// newNodes are nodes that know each other.
func newNodes(t *testing.T, count int) (nodes []*node) {
	t.Helper()
	first := freeAddress(t)
	nodes = append(nodes, newNode(t, first))
	for range count - 1 {
		nodes = append(nodes, newNode(t, freeAddress(t), first))
	}
	for _, n := range nodes {
		n.knows(count - 1)
	}
	return nodes
}

// box is an Outbox that keeps the texts that were pushed.
type box struct {
	mu    sync.Mutex
	texts []string
}

func (b *box) Push(f *protocol.Frame) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.texts = append(b.texts, string(f.Payload()))
}

// got is what was pushed so far.
func (b *box) got() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.texts)
}

// wait waits until so many frames were pushed.
func (b *box) wait(t *testing.T, count int) []string {
	t.Helper()
	await.True(t, patience, fmt.Sprintf("%d frames", count), func() bool { return len(b.got()) >= count })
	return b.got()
}

// has waits for a frame with a text.
func (b *box) has(t *testing.T, text string) {
	t.Helper()
	await.True(t, patience, "a frame with "+text, func() bool {
		return slices.ContainsFunc(b.got(), func(f string) bool { return strings.Contains(f, text) })
	})
}

// member is a channel of a client with or without a client_id.
type member struct {
	*topics.Member
	*box
	missed int
}

// MissBroadcasts implements topics.Alarm.
func (m *member) MissBroadcasts() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.missed++
}

func (m *member) misses() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.missed
}

// join adds a member, which other nodes know when it returns.
func (n *node) join(key protocol.Topic, c topics.MemberConfig) *member {
	n.Helper()
	m := &member{box: &box{}}
	c.Outbox, c.Address = m.box, protocol.Address{Version: protocol.V2, Topic: key.Name, JoinRef: `"1"`}
	m.Member = n.Join(key, c)
	m.Settle(n.Context())
	await.True(n, patience, "a join to be heard of", func() bool {
		select {
		case <-n.spread.Settled(key): // a busy machine may take longer than joins wait
			return true
		default:
			return false
		}
	})
	m.Alarm(m)
	n.Cleanup(m.Leave)
	return m
}

// publish sends a broadcast.
func (n *node) publish(key protocol.Topic, text string) {
	n.Helper()
	if err := n.Publish(key, relay(text)); err != nil {
		n.Fatal(err)
	}
}

func relay(text string) protocol.Broadcast {
	return protocol.Broadcast{Relay: fmt.Appendf(nil, `{"event":"e","payload":{"text":%q}}`, text)}
}

// value is that of a metric.
func (n *node) value(name string) float64 {
	n.Helper()
	families, err := n.reg.Gather()
	if err != nil {
		n.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.Metric[0].GetCounter().GetValue() + family.Metric[0].GetGauge().GetValue()
		}
	}
	n.Fatalf("no metric %s", name)
	return 0
}

// wire is the way between two nodes, which loses what a test says.
type wire struct {
	listen net.Listener
	work   sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
	cut   bool // new connections are refused
}

// newWire leads to an address.
func newWire(t *testing.T, to string) *wire {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listen: listen}
	w.work.Go(func() {
		for {
			from, err := listen.Accept()
			if err != nil {
				return
			}
			w.carry(from, to)
		}
	})
	t.Cleanup(func() {
		listen.Close()
		w.set(true)
		w.work.Wait()
	})
	return w
}

func (w *wire) address() string { return w.listen.Addr().String() }

func (w *wire) carry(from net.Conn, address string) {
	to, err := net.Dial("tcp", address)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.cut {
		from.Close()
		if err == nil {
			to.Close()
		}
		return
	}
	w.conns = append(w.conns, from, to)
	pass := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		_, _ = io.Copy(to, from)
	}
	w.work.Go(func() { pass(to, from) })
	w.work.Go(func() { pass(from, to) })
}

// set cuts the wire, or mends it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if !cut {
		return
	}
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// numbers are those that texts of relay have, in order.
func numbers(t *testing.T, prefix string, texts []string) (all []int) {
	t.Helper()
	for _, text := range texts {
		_, after, found := strings.Cut(text, `"`+prefix+" ")
		if !found {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(after, "%d", &n); err != nil {
			t.Fatalf("no number in %s", text)
		}
		all = append(all, n)
	}
	return all
}
