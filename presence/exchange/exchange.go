package exchange

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/nodes"
	"walcast/presence"
	"walcast/protocol"
)

const (
	// tendEvery is how often it is looked who is silent and what has not come.
	tendEvery = 250 * time.Millisecond
	// summaryEvery is how often a node says what it has sent.
	summaryEvery = 500 * time.Millisecond
	// awayAfter is how late this node may be to look: later it was frozen, or had no
	// processor, and what others have sent meanwhile is still to be read.
	awayAfter = time.Second
	// entriesMost is how many topics one question names.
	entriesMost = 4_000
)

// Exchange is the other nodes of a cluster: it implements presence.Nodes. It is safe for
// concurrent use.
type Exchange struct {
	bus      nodes.Bus
	grace    time.Duration
	logger   *slog.Logger
	metrics  *metrics
	outgoing *outgoing
	roll     *roll
	joined   map[string]*joined // by node; of the goroutine that receives
	wake     chan struct{}      // has an element when there is something to tend
	greet    chan struct{}      // has an element when a new node is there
	settled  chan struct{}      // closed: nobody has to wait

	taking sync.Mutex // held while a message is taken in, or a node is dropped
}

// New returns an Exchange that does nothing before Run. What nodes that are gone have told
// stays for the grace time.
func New(bus nodes.Bus, grace time.Duration, logger *slog.Logger, reg prometheus.Registerer) *Exchange {
	e := &Exchange{
		bus: bus, grace: grace, logger: logger, roll: newRoll(), joined: map[string]*joined{},
		wake: make(chan struct{}, 1), greet: make(chan struct{}, 1), settled: make(chan struct{}),
	}
	close(e.settled)
	e.metrics = newMetrics(reg, e.roll)
	e.outgoing = &outgoing{bus: bus, run: rand.Text(), metrics: e.metrics, window: nodes.Window[digest]{Most: windowTopics}}
	return e
}

// Hold implements presence.Nodes.
func (e *Exchange) Hold(t protocol.Topic) (newest uint64) {
	e.roll.hold(t)
	signal(e.wake)
	return e.outgoing.newest()
}

// Release implements presence.Nodes.
func (e *Exchange) Release(t protocol.Topic) {
	e.roll.release(t)
	signal(e.wake)
}

// Send implements presence.Nodes.
func (e *Exchange) Send(t protocol.Topic, d presence.Delta) (seq uint64) {
	return e.outgoing.send(t, d)
}

// Settled implements presence.Nodes. Without a connection nothing can be known.
func (e *Exchange) Settled(t protocol.Topic) <-chan struct{} {
	if e.bus.Connected() {
		if settled := e.roll.settledOf(t); settled != nil {
			return settled
		}
	}
	return e.settled
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run has rooms and the other nodes tell each other until ctx is done. It blocks until
// everything it started has returned.
func (e *Exchange) Run(ctx context.Context, rooms *presence.Rooms) error {
	subjects := []string{subjectAll, subjectOf(e.outgoing.run)}
	receive, tend := func(ctx context.Context) { e.receive(ctx, rooms) }, func(ctx context.Context) { e.tend(ctx, rooms) }
	return nodes.Run(ctx, e.bus, subjects, receive, tend, func() { e.outgoing.summarise(true) })
}

// tend does what has to be done now and then, and what may wait for the network, until
// ctx is done.
func (e *Exchange) tend(ctx context.Context, rooms *presence.Rooms) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	e.outgoing.summarise(false)
	looked, told := time.Now(), time.Now()
	for {
		e.listen()
		e.ask(rooms)
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-e.greet:
			e.outgoing.summarise(false)
		case <-tick.C:
			now := time.Now()
			if now.Sub(looked) > awayAfter || !e.bus.Connected() {
				e.roll.forgive(now)
			}
			looked = now
			e.expire(rooms, now)
			if now.Sub(told) >= summaryEvery {
				e.outgoing.summarise(false)
				told = now
			}
		}
	}
}

// listen has the bus send what is needed.
func (e *Exchange) listen() {
	fresh, ended := e.roll.changed()
	for _, i := range fresh {
		stop, err := e.bus.Listen(i.subject())
		if err != nil { // the connection is closed for good: the server stops
			e.logger.Debug("presence of a topic not listened to on other nodes", "err", err)
			continue
		}
		i.stop = stop
	}
	for _, i := range ended {
		if i.stop != nil {
			i.stop()
		}
	}
	e.roll.listened(fresh, time.Now())
}

// ask asks other nodes for what has not come.
func (e *Exchange) ask(rooms *presence.Rooms) {
	for run, due := range e.roll.due(time.Now()) {
		asked := make([]entry, 0, len(due))
		for _, i := range due {
			seq, known := rooms.Known(i.topic, presence.NodeID(run))
			asked = append(asked, entry{digest: i.digest, stay: i.stay, known: known, seq: seq})
		}
		for len(asked) > 0 {
			some := asked[:min(len(asked), entriesMost)]
			asked = asked[len(some):]
			e.outgoing.ask(run, some)
		}
	}
}

// expire drops the nodes that are gone.
func (e *Exchange) expire(rooms *presence.Rooms, now time.Time) {
	e.taking.Lock()
	defer e.taking.Unlock()
	for _, run := range e.roll.expire(now, e.grace) {
		rooms.Drop(presence.NodeID(run))
		delete(e.joined, run)
	}
}
