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
	// questionsMost is how many questions a channel may have open, and refMost how
	// long the ref of one may be, which is kept.
	questionsMost = 100
	refMost       = 256

	tick      = 5 * time.Millisecond   // how often it is looked how far channels are, while questions wait
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
	wake     chan struct{} // has a token when a question was asked

	mu     sync.Mutex
	asked  map[Channel][]*question // in the order of asking
	newest catalog.Moment          // by which the first reply to a question is given

	watching
}

// watching belongs to the goroutine in Run.
type watching struct {
	known  []*moment // oldest first
	looked time.Time // when Postgres was asked last
}

// NewTracker returns a tracker; nothing is asked or answered before Run.
func NewTracker(log *changelog.Log, d Database, reg prometheus.Registerer) *Tracker {
	t := &Tracker{log: log, database: d, wake: make(chan struct{}, 1), asked: map[Channel][]*question{}}
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

// Ask takes a question of a channel's client: the payload of a push of progress,
// and its ref. It is replied to at once, except for a transaction that may not
// have begun: then Postgres is asked first.
func (t *Tracker) Ask(c Channel, ref protocol.Ref, payload []byte) {
	q, err := t.read(ref, payload)
	if err == nil {
		err = t.add(c, q)
	}
	if err != nil {
		c.Push(replyTo(c.Address(), ref, err))
	}
}

// read reads a question.
func (t *Tracker) read(ref protocol.Ref, payload []byte) (q *question, err error) {
	q = &question{ref: ref, asked: time.Now(), history: t.log.History()}
	if q.goal, err = protocol.ParseGoal(payload); err != nil {
		return nil, err
	}
	if q.goal.Position != "" {
		if q.position, err = wal.ParsePosition(q.goal.Position); err != nil {
			return nil, protocol.RefuseProgressPosition
		}
		q.goal.Position = "" // it may be long
	}
	if len(ref) > refMost {
		return nil, protocol.RefuseProgressRef
	}
	return q, nil
}

// add has a question wait, after its reply if that can be given.
func (t *Tracker) add(c Channel, q *question) error {
	if !t.admits(c, q) {
		return protocol.RefuseTooManyProgress
	}
	if q.isAccepted { // before the question can be answered
		q.isReplied = true
		c.Push(replyTo(c.Address(), q.ref, nil))
	}
	t.keep(c, q)
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return nil
}

// admits reports whether a channel may have one more question, and notes whether
// it can be accepted at once.
func (t *Tracker) admits(c Channel, q *question) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	q.isAccepted = q.goal.XID == 0 || t.newest.HasBegun(q.goal.XID)
	return len(t.asked[c]) < questionsMost
}

func (t *Tracker) keep(c Channel, q *question) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[c] = append(t.asked[c], q)
}

// Forget drops the questions of a channel that has ended.
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

// Run answers questions until ctx is done.
func (t *Tracker) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		}
		for began := time.Now(); t.turn(ctx); began = time.Now() {
			rest := min(max(tick, 10*time.Since(began)), lookLate) // very many questions must not keep a processor busy
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(rest):
			}
		}
		t.known = nil // later answers are to have newer snapshots
	}
}
