package moving

import (
	"context"
	"crypto/rand"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/channels/resume"
	"walcast/internal/nodes"
	"walcast/protocol"
)

const (
	// findLimit is how long a join waits for other nodes.
	findLimit = 200 * time.Millisecond
	// tellEvery is how often a node tells what its clients have received.
	tellEvery = time.Second
	// tendEvery is how often it is looked who is silent and what has not come.
	tendEvery = 250 * time.Millisecond
	// awayAfter is how late this node may be to look: later it was frozen, or had no
	// processor, and what others have sent meanwhile is still to be read.
	awayAfter = time.Second
)

const subjectAll = "clients"

func subjectOf(run string) string { return subjectAll + "." + run }

// Broadcasts are those of this node, and what is known of those of others.
type Broadcasts interface {
	// Fence waits until all that other nodes had broadcast before has come. It is false if
	// that cannot be known, or not soon.
	Fence(ctx context.Context) bool
	// Missed is what has been broadcast to a topic after a number, encoded; complete is false
	// if that is not all.
	Missed(t protocol.Topic, heard uint64) (missed [][]byte, complete bool)
	// Silent reports whether nothing has been broadcast to a topic, by its nodes.Digest, on
	// any node since a time.
	Silent(topic uint64, since time.Time) bool
}

// Exchange is the other nodes of a cluster, as far as clients come from them. It is safe
// for concurrent use.
type Exchange struct {
	Config
	run     string
	logger  *slog.Logger
	metrics *metrics
	wake    chan struct{} // has an element when there is something to ask or to tell
	gifts   chan gift

	telling sync.Mutex // held while what is told is collected and handed to the bus
	told    uint64     // tellings

	mu        sync.Mutex
	began     time.Time // since when others are heard
	sources   *sources
	questions questions
	leaving   leaving
}

// Config of an Exchange.
type Config struct {
	Bus        nodes.Bus
	Clients    *resume.Clients
	Broadcasts Broadcasts
	Nodes      func() int    // how many there are, this one among them, also of versions that tell nothing
	Keep       time.Duration // how long clients may be away
}

// New returns an Exchange that does nothing before Run.
func New(c Config, logger *slog.Logger, reg prometheus.Registerer) *Exchange {
	e := &Exchange{
		Config: c, run: rand.Text(), logger: logger,
		wake: make(chan struct{}, 1), gifts: make(chan gift, giftsWaiting),
		sources: newSources(c.Keep), questions: questions{asked: map[uint64]*question{}},
	}
	e.metrics = newMetrics(reg, e)
	return e
}

// Find asks the other nodes for a client that has come to this one. It waits for them,
// but not for long.
func (e *Exchange) Find(ctx context.Context, id resume.ID) resume.Found {
	f := e.ask(id)
	signal(e.wake)
	ctx, cancel := context.WithTimeout(ctx, findLimit)
	defer cancel()
	select {
	case <-f.isFound:
	case <-ctx.Done():
	}
	found := e.found(f)
	if copied := e.Clients.Copy(id, time.Now()); copied.Told != nil && copied.Better(found.Told) {
		found.Told, found.Missed = copied.Told, nil
		found.Quiet = copied.Quiet && e.Broadcasts.Fence(ctx) && e.isSilent(copied)
	} else if t := found.Told; t != nil && t.Own && t.Quiet && !found.Quiet { // its node could not say more, as it goes
		found.Quiet = e.Broadcasts.Fence(ctx) && e.isSilent(resume.Given{Told: t, At: time.Now()})
	}
	e.metrics.note(found)
	return found
}

func (e *Exchange) ask(id resume.ID) *finding {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.questions.add(id)
}

// found is what has been found by now.
func (e *Exchange) found(f *finding) resume.Found {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	f.end(false) // what comes later comes too late
	found := f.found
	found.Certain = found.Certain && e.isLinked(now) && e.sources.certain(now)
	return found
}

// inFlight is how long before a node has told of a client something may have been
// broadcast which had not come to that node then.
const inFlight = 3 * time.Second

// missed is what a client lacks that was given away. A fence must have been passed since.
func (e *Exchange) missed(g resume.Given) (missed [][]byte, complete bool) {
	if g.At.IsZero() {
		return e.Broadcasts.Missed(g.Place, g.Heard)
	}
	return nil, e.isSilent(g)
}

// isSilent reports whether a client lacks nothing that another node has told of.
func (e *Exchange) isSilent(g resume.Given) bool {
	return e.Broadcasts.Silent(g.Topic, g.At.Add(-inFlight))
}

// isLinked reports whether this node would have heard of others. e.mu must be held.
func (e *Exchange) isLinked(now time.Time) bool {
	return e.Bus.Connected() && !e.began.IsZero() && now.Sub(e.began) >= silentAfter
}

// isSure reports whether a client is new that no node knows.
func (e *Exchange) isSure(now time.Time) bool {
	all, _ := e.Clients.Doubt(now)
	e.mu.Lock()
	defer e.mu.Unlock()
	return all == 0 && e.isLinked(now) && e.sources.certain(now)
}

// doubt is for how long clients may have been on a node that nobody knows of.
func (e *Exchange) doubt(now time.Time) doubt {
	all, lost := e.Clients.Doubt(now)
	e.mu.Lock()
	defer e.mu.Unlock()
	lacks := e.sources.lacks(now)
	return doubt{max(all, lacks), max(lost, lacks)}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run has this node and the others tell each other of clients until ctx is done. Sessions
// must be closed before that: what they prove later is not told. It blocks until
// everything it started has returned.
func (e *Exchange) Run(ctx context.Context) error {
	giving, stop := context.WithCancel(ctx)
	var gives sync.WaitGroup
	defer gives.Wait()
	defer stop()
	gives.Go(func() { e.give(giving) })
	return nodes.Run(ctx, e.Bus, []string{subjectAll, subjectOf(e.run)}, e.receive, e.tend, e.leave)
}

// tend does what has to be done now and then, until ctx is done.
func (e *Exchange) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	looked, told, toldAll := time.Now(), time.Time{}, time.Now()
	e.begin(looked)
	for {
		now := time.Now()
		if now.Sub(told) >= tellEvery {
			e.tell(false)
			told = now
		}
		if now.Sub(toldAll) >= e.Keep/2 { // before others forget clients that stay for long
			e.tellAll(subjectAll)
			toldAll = now
		}
		e.send()
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case now := <-tick.C:
			e.expire(now, now.Sub(looked))
			looked = now
		}
	}
}

func (e *Exchange) begin(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.began = now
}

// send asks what is to be asked.
func (e *Exchange) send() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	for q := e.questions.next(e.sources.here, now); q != nil; q = e.questions.next(e.sources.here, now) {
		e.hand(subjectAll, q)
	}
	for _, run := range e.sources.due(now) {
		e.hand(subjectOf(run), &message{kind: kindAskAll})
	}
}

// expire notes who is silent. passed is since it was called last.
func (e *Exchange) expire(now time.Time, passed time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	isCut := !e.Bus.Connected()
	if passed > awayAfter || isCut {
		e.sources.forgive(now)
	}
	if passed > silentAfter || isCut {
		e.began = now // others may have come, and clients to these, that were not heard of
	}
	e.sources.compare(e.Nodes(), now)
	if gone := e.sources.expire(now); len(gone) > 0 {
		e.questions.forget(gone)
		e.logger.Warn("a node is gone without a word: clients with a client_id that no node knows are told to resync, as they may have been there", "nodes", len(gone), "for", e.Keep)
	}
	e.questions.expire(now)
}

// hand hands a message to the bus. One that is lost is seen to be missing.
func (e *Exchange) hand(subject string, m *message) {
	m.run = e.run
	_ = e.Bus.Send(subject, m.encode())
}

// tell tells other nodes what has changed since they were told last, and that this one is
// there; bye says that it goes.
func (e *Exchange) tell(bye bool) {
	now := time.Now()
	doubt := e.doubt(now)
	e.telling.Lock()
	defer e.telling.Unlock()
	all := e.Clients.Untold(now)
	e.metrics.told.Add(float64(len(all)))
	for some, more := range parts(all) {
		e.told++
		e.hand(subjectAll, &message{kind: kindTelling, number: e.told, doubt: doubt, bye: bye && !more, told: some})
	}
}

// leaveLimit is how long the others are waited for at the end.
const leaveLimit = time.Second

// leave tells the others what they have not been told and that this node goes, and waits
// until they have heard: what is lost then is not told again, and a node that goes
// without a word has new clients be told to resync for a day.
func (e *Exchange) leave() {
	heard := e.awaitHeard()
	e.tell(true)
	select {
	case <-heard:
	case <-time.After(leaveLimit):
		e.logger.Warn("not all nodes have heard that this one stops: they may tell clients with a client_id to resync that they do not know")
	}
}

func (e *Exchange) awaitHeard() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.leaving.begin(e.sources.here)
}

// clientsInPart is how many clients one message tells of, or asks for: with names of slots that are as
// long as can be it has half a megabyte, which NATS takes by itself.
const clientsInPart = 2000

// tellAll tells everything that is known of clients, also by other nodes.
func (e *Exchange) tellAll(subject string) {
	now := time.Now()
	doubt := e.doubt(now)
	e.telling.Lock()
	defer e.telling.Unlock()
	part := uint64(0)
	for some, more := range parts(e.Clients.Everything(now)) {
		e.hand(subject, &message{kind: kindTellAll, number: e.told, part: part, doubt: doubt, more: more, told: some})
		part++
	}
}

// parts are what of a list goes into one message each, at least one, and whether another
// follows.
func parts(all []*resume.Told) iter.Seq2[[]*resume.Told, bool] {
	return func(yield func([]*resume.Told, bool) bool) {
		for more := true; more; {
			some := all[:min(len(all), clientsInPart)]
			all = all[len(some):]
			if more = len(all) > 0; !yield(some, more) {
				return
			}
		}
	}
}
