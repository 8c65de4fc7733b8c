package live

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

const (
	// waitsMost is how many things a channel may wait for, and refMost how
	// long the ref of one may be, which is kept.
	waitsMost = 100
	refMost   = 256

	tick      = 5 * time.Millisecond   // how often it is looked how far channels are, while any of them wait
	lookEvery = 20 * time.Millisecond  // how often Postgres is asked at most
	lookLate  = 250 * time.Millisecond // how often for a transaction that has been awaited for long
	lookLimit = time.Second            // how long Postgres may take to answer
	// flushAfter is how long the end of the WAL may take to arrive before Postgres
	// is asked to flush it: of what no commit waits for it keeps a part back.
	flushAfter = 100 * time.Millisecond
	// momentsKept bounds what is remembered of Postgres' answers.
	momentsKept = 64
)

// Database is what a Tracker asks of Postgres.
type Database struct {
	Moment func(ctx context.Context) (catalog.Moment, error)
	// Flush has Postgres flush its WAL up to an LSN if it has not yet. Nil for none.
	Flush func(ctx context.Context, upTo wal.LSN) error
}

// Tracker keeps what clients wait for and answers them. Ask and Forget may be
// called at once; they must not be called by a Channel's methods.
type Tracker struct {
	log      *changelog.Log
	database Database
	looks    prometheus.Counter
	wake     chan struct{} // has a token when a client has asked

	mu     sync.Mutex
	asked  map[Channel][]*wait // in the order of asking
	newest catalog.Moment      // by which the first reply is given

	watching
}

// watching belongs to the goroutine in Run.
type watching struct {
	known  []*moment // oldest first
	looked time.Time // when Postgres was asked last
}

// NewTracker returns a tracker; nothing is asked or answered before Run.
func NewTracker(log *changelog.Log, d Database, reg prometheus.Registerer) *Tracker {
	t := &Tracker{log: log, database: d, wake: make(chan struct{}, 1), asked: map[Channel][]*wait{}}
	f := promauto.With(reg)
	t.looks = f.NewCounter(prometheus.CounterOpts{
		Name: "walcast_channels_progress_looks_total",
		Help: "Times that Postgres was asked how far it is, for clients that ask for progress.",
	})
	f.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_channels_progress_waiting",
		Help: "Questions for progress that are not answered yet.",
	}, func() float64 { return float64(t.size()) })
	return t
}

// Ask takes what a channel's client waits for: the payload of a push of progress,
// and its ref. It is replied to at once, except for a transaction that may not
// have begun: then Postgres is asked first.
func (t *Tracker) Ask(c Channel, ref protocol.Ref, payload []byte) {
	w, err := t.read(ref, payload)
	if err == nil {
		err = t.add(c, w)
	}
	if err != nil {
		c.Push(replyTo(c.Address(), ref, err))
	}
}

// read reads a push.
func (t *Tracker) read(ref protocol.Ref, payload []byte) (w *wait, err error) {
	w = &wait{ref: ref, asked: time.Now(), history: t.log.History()}
	if w.goal, err = protocol.ParseGoal(payload); err != nil {
		return nil, err
	}
	if w.goal.Position != "" {
		if w.position, err = wal.ParsePosition(w.goal.Position); err != nil {
			return nil, protocol.RefuseProgressPosition
		}
		w.goal.Position = "" // it may be long
	}
	if len(ref) > refMost {
		return nil, protocol.RefuseProgressRef
	}
	return w, nil
}

// add has a channel wait, after the reply if that can be given.
func (t *Tracker) add(c Channel, w *wait) error {
	if !t.admits(c, w) {
		return protocol.RefuseTooManyProgress
	}
	if w.isAccepted { // before the wait can end
		w.isReplied = true
		c.Push(replyTo(c.Address(), w.ref, nil))
	}
	t.keep(c, w)
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return nil
}

// admits reports whether a channel may wait for one more thing, and notes whether
// it can be accepted at once.
func (t *Tracker) admits(c Channel, w *wait) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.isAccepted = w.goal.XID == 0 || t.newest.HasBegun(w.goal.XID)
	return len(t.asked[c]) < waitsMost
}

func (t *Tracker) keep(c Channel, w *wait) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[c] = append(t.asked[c], w)
}

// Forget drops what a channel that has ended waited for.
func (t *Tracker) Forget(c Channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.asked, c)
}

func (t *Tracker) size() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, of := range t.asked {
		n += len(of)
	}
	return n
}

// Run answers clients until ctx is done.
func (t *Tracker) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		}
		for began := time.Now(); t.turn(ctx); began = time.Now() {
			rest := min(max(tick, 10*time.Since(began)), lookLate) // very many waits must not keep a processor busy
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(rest):
			}
		}
		t.known = nil // later answers are to have newer snapshots
	}
}
