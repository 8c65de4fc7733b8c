package spread

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/channels/topics"
	"walcast/internal/nodes"
	"walcast/protocol"
)

const (
	// summaryEvery is how often a node says what it has sent.
	summaryEvery = 500 * time.Millisecond
	// roundPause is how long a question to all nodes is waited for before the next, so that
	// many joins share one.
	roundPause = 20 * time.Millisecond
)

// The subjects that all nodes listen to, and that of one node.
const subjectAll = "spread"

func subjectOf(run string) string { return subjectAll + "." + run }

// Bus is all that is needed of the bus of the cluster.
type Bus interface {
	nodes.Bus
	// Largest is how many bytes a message may have, 0 if that is not known.
	Largest() int
}

// Spread is the other nodes of a cluster: it implements topics.Nodes. It is safe for
// concurrent use.
type Spread struct {
	bus      Bus
	logger   *slog.Logger
	metrics  *metrics
	outgoing *outgoing
	hearing  *hearing
	wake     chan struct{} // has an element when there is something to tend
	greet    chan struct{} // has an element when a new node is there
	settled  chan struct{} // closed: nobody has to wait
}

// New returns a Spread that does nothing before Run.
func New(bus Bus, logger *slog.Logger, reg prometheus.Registerer) *Spread {
	s := &Spread{bus: bus, logger: logger, hearing: newHearing(), wake: make(chan struct{}, 1), greet: make(chan struct{}, 1)}
	s.settled = make(chan struct{})
	close(s.settled)
	s.metrics = newMetrics(reg, s.hearing)
	s.outgoing = &outgoing{bus: bus, run: rand.Text(), metrics: s.metrics, window: newWindow(), mentions: s.hearing.mentions}
	return s
}

// Pack implements topics.Nodes.
func (s *Spread) Pack(key protocol.Topic, c topics.Carried) (topics.Parcel, error) {
	return s.outgoing.pack(key, c)
}

// Hold implements topics.Nodes.
func (s *Spread) Hold(key protocol.Topic, by topics.Holder) {
	if s.hearing.hold(key, by) {
		signal(s.wake)
	}
}

// Release implements topics.Nodes.
func (s *Spread) Release(key protocol.Topic, by topics.Holder) (ended bool) {
	ended = s.hearing.release(key, by)
	if ended {
		signal(s.wake)
	}
	return ended
}

// Settled implements topics.Nodes. Without a connection nothing can be known.
func (s *Spread) Settled(key protocol.Topic) <-chan struct{} {
	if s.bus.Connected() {
		if settled := s.hearing.settled(key); settled != nil {
			return settled
		}
	}
	return s.settled
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run carries broadcasts between t and the other nodes until ctx is done. It blocks
// until everything it started has returned.
func (s *Spread) Run(ctx context.Context, t *topics.Topics) error {
	subjects := []string{subjectAll, subjectOf(s.outgoing.run)}
	receive, tend := func(ctx context.Context) { s.receive(ctx, t) }, func(ctx context.Context) { s.tend(ctx, t) }
	return nodes.Run(ctx, s.bus, subjects, receive, tend, func() { s.outgoing.summarise(true) })
}

// receive takes in what other nodes send, until ctx is done.
func (s *Spread) receive(ctx context.Context, t *topics.Topics) {
	s.bus.Each(ctx, func(data []byte) error {
		m, err := decode(data)
		if err != nil {
			return err
		}
		switch m.kind {
		case kindBroadcast:
			s.metrics.received.Inc()
			if s.hearing.take(m, time.Now()) {
				t.Receive(m.key, m.carried)
			}
		case kindSummary:
			if s.hearing.compare(m, time.Now()) {
				signal(s.greet)
			}
		case kindQuestion:
			s.outgoing.answer(m)
		case kindAnswer:
			if passed := s.hearing.answered(m); len(passed) > 0 {
				s.tell(t)
				for _, f := range passed {
					f.end()
				}
			}
			signal(s.wake)
		}
		return nil
	})
}

// tend does what has to be done now and then, and what may wait for the network, until
// ctx is done.
func (s *Spread) tend(ctx context.Context, t *topics.Topics) {
	tick := time.NewTicker(summaryEvery)
	defer tick.Stop()
	s.outgoing.summarise(false)
	for {
		var again <-chan time.Time
		if s.listen() {
			again = time.After(roundPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-again:
		case <-s.greet:
			s.outgoing.summarise(false)
		case <-tick.C:
			s.outgoing.summarise(false)
			s.tell(t)
		}
	}
}

// listen has the bus send what is needed, and asks other nodes whether they know. It is
// true if it is to be called again soon.
func (s *Spread) listen() (waits bool) {
	fresh, ended := s.hearing.changed()
	for _, i := range fresh {
		stop, err := s.bus.Listen(i.subject)
		if err != nil { // the connection is closed for good: the server stops
			s.logger.Debug("topic not listened to on other nodes", "err", err)
			continue
		}
		i.stop = stop
	}
	for _, i := range ended {
		if i.stop != nil {
			i.stop()
		}
	}
	s.hearing.listened(fresh)
	number, waits := s.hearing.ask(time.Now(), roundPause)
	if number != 0 {
		_ = s.bus.Send(subjectAll, message{kind: kindQuestion, run: s.outgoing.run, round: number}.encode()) // joins do not wait for long
	}
	return waits
}

// tell tells topics what they miss.
func (s *Spread) tell(t *topics.Topics) {
	missing := s.hearing.expire(time.Now())
	for _, key := range missing {
		s.metrics.gaps.Inc()
		t.Lost(key)
	}
	if len(missing) > 0 {
		s.logger.Warn("broadcasts of other nodes were lost on the way: clients with a client_id are told", "topics", len(missing))
	}
}
