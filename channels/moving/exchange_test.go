package moving

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"walcast/channels/resume"
	"walcast/cluster"
	"walcast/internal/await"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
	"walcast/test/program"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a test waits for.
const patience = 30 * time.Second

// hushed are broadcasts of which nothing is missing.
type hushed struct{}

func (hushed) Fence(context.Context) bool { return true }

func (hushed) Silent(uint64, time.Time) bool { return true }

func (hushed) Quiet(_ protocol.Topic, heard uint64) bool { return heard > 0 }

func (hushed) Missed(_ protocol.Topic, heard uint64) ([][]byte, bool) { return nil, heard > 0 }

// node is the clients of one node, on a bus of its own.
type node struct {
	*Exchange
	*testing.T
	stop  func() // in order
	kills func() // takes it from the bus before it can say that it goes
}

// newNode runs a node until the test ends, or stop or kills is called. isFirst says that
// it has made the slot.
func newNode(t *testing.T, isFirst bool, listen string, peers ...string) *node {
	t.Helper()
	n := &node{T: t}
	logger, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
	c := cluster.Config{Listen: listen, Peers: peers, Secret: "the-secret-of-this-cluster"}
	bus := cluster.New(c, "slot", func() cluster.Node { return cluster.Node{Node: listen} }, nil, logger, reg)
	reason := changelog.CodeUnknown
	if isFirst {
		reason = changelog.CodeSlotMissing
	}
	clients := resume.NewClients(resume.Config{Limit: 1000, Memory: time.Hour, Shared: true, Quiet: hushed{}.Quiet}, func() string { return reason }, reg)
	clients.Restore(time.Now(), logger)
	clients.Open(time.Now(), !isFirst, logger)
	n.Exchange = New(Config{Bus: bus.Feed(64 << 20), Clients: clients, Broadcasts: hushed{}, Nodes: func() int { return len(bus.Nodes()) }, Keep: time.Hour}, logger, reg)
	buses, stopBus := context.WithCancel(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	var running, busRunning sync.WaitGroup
	busRunning.Go(func() {
		if err := bus.Run(buses, func(context.Context) (string, error) { return "made", nil }); err != nil {
			t.Errorf("bus of %s: %v", listen, err)
		}
	})
	running.Go(func() {
		if err := n.Exchange.Run(ctx); err != nil {
			t.Errorf("exchange of %s: %v", listen, err)
		}
	})
	end := func(first, last func()) func() {
		return func() {
			first()
			last()
		}
	}
	ended := func() { cancel(); running.Wait() }
	unlinked := func() { stopBus(); busRunning.Wait() }
	var once sync.Once
	n.stop = func() { once.Do(end(ended, unlinked)) }
	n.kills = func() { once.Do(end(unlinked, ended)) }
	t.Cleanup(n.stop)
	return n
}

// newNodes are nodes that take clients for new that none of them knows.
func newNodes(t *testing.T, count int) (all []*node, join func() *node) {
	t.Helper()
	free := func() string {
		address, err := program.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	first := free()
	join = func() *node { return newNode(t, false, free(), first) }
	all = append(all, newNode(t, true, first))
	for range count - 1 {
		all = append(all, join())
	}
	for i, n := range all {
		n.awaitCertain(fmt.Sprint("node ", i))
	}
	return all, join
}

// awaitCertain waits until the node takes a client for new that nobody knows.
func (n *node) awaitCertain(what string) {
	n.Helper()
	attempt := 0
	await.True(n, patience, what+" to be sure who is new", func() bool {
		attempt++
		f := n.Find(n.Context(), idOf(fmt.Sprint(what, " ", attempt)))
		return f.Certain && f.Told == nil
	})
}

// comes has a client join, prove what it has, and stay. It returns what was known of it.
func (n *node) comes(client string, lsn wal.LSN) (*resume.Bookmark, resume.Known) {
	n.Helper()
	var found resume.Found
	if key := keyOf(client); !n.Clients.Knows(key) {
		found = n.Find(n.Context(), key.ID())
		found.Heard = 5
	}
	b, known := n.Clients.Take(keyOf(client), resume.Fingerprint{1}, found, time.Now())
	b.Start(changelog.Standing{History: changelog.History{System: "1", Slot: "walcast"}, Position: wal.Position{LSN: lsn}})
	b.Listen(3)
	return b, known
}

func (n *node) want(client string, want resume.Known) {
	n.Helper()
	if _, known := n.comes(client, 1000); known.Memory != want.Memory || known.Proven.Position != want.Proven.Position || known.Heard != want.Heard {
		n.Errorf("client %q is known as %+v; want %+v", client, known, want)
	}
}

// hasCopy reports whether the node has been told what a client has received elsewhere.
func (n *node) hasCopy(client string) bool {
	g := n.Clients.Copy(idOf(client), time.Now())
	return g.Told != nil && !g.Resync
}

func at(lsn wal.LSN) changelog.Standing { return changelog.Standing{Position: wal.Position{LSN: lsn}} }

func TestAClientIsFoundWhereverItWas(t *testing.T) {
	nodes, join := newNodes(t, 3)
	a, b, c := nodes[0], nodes[1], nodes[2]
	a.want("here", resume.Known{})
	held, _ := a.comes("here", 7) // it stays as it was
	b.want("here", resume.Known{Memory: resume.Remembered, Proven: at(1000), Heard: 5})
	if held.Holds() {
		t.Error("the node that a client has left keeps it")
	}
	a.comes("away", 10)
	c.want("away", resume.Known{Memory: resume.Remembered, Proven: at(10), Heard: 5})
	a.want("away", resume.Known{Memory: resume.Remembered, Proven: at(10), Heard: 5}) // and back
	b.want("nobody", resume.Known{})

	left, _ := b.comes("left for good", 20)
	left.Allowed(time.Now())
	b.comes("stopped", 30)
	b.stop()
	c.want("stopped", resume.Known{Memory: resume.Remembered, Proven: at(30), Heard: 5})
	c.want("also new", resume.Known{})

	d := join()
	d.awaitCertain("a node that has joined late")
	d.want("stopped", resume.Known{Memory: resume.Remembered, Proven: at(30), Heard: 5})

	c.comes("told", 40)
	await.True(t, patience, "the others to be told of a client", func() bool { return a.hasCopy("told") && d.hasCopy("told") })
	c.kills()
	await.True(t, patience, "a node to be missed", func() bool { return a.doubt(time.Now()).lost > 0 && d.doubt(time.Now()).lost > 0 })
	a.want("told", resume.Known{Memory: resume.Remembered, Proven: at(40), Heard: 5})
	a.want("may have been on c", resume.Known{Memory: resume.Forgotten})
	e := join()
	e.want("may have been on c as well", resume.Known{Memory: resume.Forgotten})
}

// TestAClientThatComesToTwoNodesAtOnceIsNotTakenForNew on the second.
func TestAClientThatComesToTwoNodesAtOnceIsNotTakenForNew(t *testing.T) {
	nodes, _ := newNodes(t, 3)
	for round := range 30 {
		client := fmt.Sprint("client ", round)
		b, _ := nodes[0].comes(client, 10)
		b.Leave(time.Now())
		var known [2]resume.Known
		var coming sync.WaitGroup
		for i := range known {
			coming.Go(func() { _, known[i] = nodes[1+i].comes(client, 1000) })
		}
		coming.Wait()
		for i, k := range known {
			if k.Memory == resume.Fresh {
				t.Fatalf("round %d: node %d takes the client for new, the other for %+v", round, 1+i, known[1-i])
			}
		}
	}
}

// record is a bus that keeps what is sent.
type record struct {
	sent  []message
	isCut bool
}

func (*record) Run(context.Context, func()) {}

func (r *record) Send(_ string, data []byte) error {
	m, err := decode(data)
	r.sent = append(r.sent, m)
	return err
}

func (r *record) Connected() bool { return !r.isCut }

func (*record) Listen(string) (stop func(), err error) { return func() {}, nil }

func (*record) Each(context.Context, func([]byte) error) {}

// TestANodeThatGoesKeepsNobodyWaiting: it cannot find out any more which broadcasts a client
// lacks, and says at once what it knows.
func TestANodeThatGoesKeepsNobodyWaiting(t *testing.T) {
	for _, goes := range []bool{false, true} {
		bus := &record{}
		clients := resume.NewClients(resume.Config{Limit: 1000, Memory: time.Hour, Shared: true, Quiet: hushed{}.Quiet}, func() string { return "" }, nil)
		e := New(Config{Bus: bus, Clients: clients, Broadcasts: hushed{}, Keep: time.Hour}, slog.New(slog.DiscardHandler), nil)
		clients.Vouch(time.Now(), time.Now())
		b, _ := clients.Take(keyOf("a"), resume.Fingerprint{1}, resume.Found{Certain: true}, time.Now())
		b.Start(at(7))
		b.Listen(3)
		if goes {
			e.awaitHeard()
		}
		e.answer(&message{run: "r", number: 1, ids: []resume.ID{idOf("a")}}, time.Now())
		if len(bus.sent) != 1 || bus.sent[0].more == goes || len(bus.sent[0].told) != 1 {
			t.Errorf("a node that goes (%v) answers %+v; want one answer, and no other to follow if it goes", goes, bus.sent)
		}
	}
}

// TestANodeThatWasCutOffHasToHearOfOthersFirst: meanwhile others may have come, which it does
// not know to ask.
func TestANodeThatWasCutOffHasToHearOfOthersFirst(t *testing.T) {
	for name, c := range map[string]struct {
		isCut  bool
		passed time.Duration
		want   bool
	}{"cut off": {true, tendEvery, false}, "frozen": {false, silentAfter + 1, false}, "slow": {false, awayAfter + 1, true}} {
		bus := &record{}
		clients := resume.NewClients(resume.Config{Limit: 1000, Memory: time.Hour, Shared: true}, func() string { return changelog.CodeSlotMissing }, nil)
		clients.Restore(time.Now(), slog.New(slog.DiscardHandler))
		e := New(Config{Bus: bus, Clients: clients, Broadcasts: hushed{}, Nodes: func() int { return 1 }, Keep: time.Hour}, slog.New(slog.DiscardHandler), nil)
		now := time.Now()
		e.begin(now)
		if now = now.Add(silentAfter); !e.isSure(now) {
			t.Fatalf("%s: a node alone is not sure who is new", name)
		}
		bus.isCut = c.isCut
		e.expire(now, c.passed)
		bus.isCut = false
		if got := e.isSure(now.Add(time.Second)); got != c.want {
			t.Errorf("%s: sure who is new a second later = %v; want %v", name, got, c.want)
		}
		if !e.isSure(now.Add(silentAfter)) {
			t.Errorf("%s: never sure again", name)
		}
	}
}
