package channels

import (
	"context"
	"sync"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// delivery turns batches of changes into frames for the channels attached to
// it, in three steps: match (under the lock), decide who may see (without it,
// as Postgres may be asked), send (under the lock).
type delivery struct {
	hub *Hub
	// divert takes over a channel one of whose changes needs asking; nil where
	// Postgres is asked on the spot.
	divert func(ch *channel, position wal.Position)
	// pace calls back when the client has room; nil where nobody is waited for.
	pace func(ctx context.Context, size int, send func())
	// relaysFor says to which topics messages from SQL are relayed; nil for all
	// but direct lanes.
	relaysFor func(topicName string) bool
	leader    *lane   // must have come as far; nil for direct lanes
	holding   holding // channels that hold messages

	mu        sync.Mutex
	index     *filters.Index[*binding]
	channels  map[*channel]struct{}
	taken     wal.Position       // last change matched; later ones will be
	sent      changelog.Standing // everything up to here has been pushed
	tables    map[tableName]int  // bindings by the names they want, "*" included
	roles     map[string]roleUse // roles of the bindings
	relations map[uint32]*relation
	waited    chan struct{} // closed when sent moves; nil while nobody waits

	// What follows belongs to the goroutine that calls deliver.
	matches    []match
	relays     []relay       // messages among them
	concerning []*wal.Change // of those being matched
	round      uint64
	touched    []*channel
	frames     map[frameKey]*protocol.Frame
	encoded    []encoding
}

type tableName struct{ schema, table string }

// roleUse counts a role's bindings and keeps one of its subjects, as grants are
// asked for by subject.
type roleUse struct {
	bindings int
	subject  *policy.Subject
}

// match is one binding whose filter a change meets.
type match struct {
	change  *wal.Change
	binding *binding
	view    *policy.View
	verdict policy.Verdict
	visible bool
	asked   int   // index among the changes that Postgres is asked about
	raised  error // a policy raised for this change and subject
}

// matchLimit bounds how many matches are held between matching and sending.
const matchLimit = 1 << 15

func (d *delivery) init(h *Hub) {
	d.hub = h
	d.index = filters.NewIndex[*binding](h.config.Locale)
	d.channels = map[*channel]struct{}{}
	d.tables = map[tableName]int{}
	d.roles = map[string]roleUse{}
	d.relations = map[uint32]*relation{}
	d.frames = map[frameKey]*protocol.Frame{}
}

// add attaches a channel: it gets every change after from. Called with d.mu
// held. A channel whose end comes at the same time either finds its place here
// or is found ended.
func (d *delivery) add(ch *channel, from changelog.Standing) {
	ch.history, ch.from = from.History, from.Position
	ch.round = 0 // rounds are counted by each delivery for itself
	ch.place.Store(d)
	d.channels[ch] = struct{}{}
	for _, b := range ch.bindings {
		d.file(b)
	}
	d.hub.metrics.bindings.Add(float64(len(ch.bindings)))
	ch.moved()
	if ch.ended.Load() {
		d.remove(ch)
	}
}

// remove detaches a channel. Called with d.mu held.
func (d *delivery) remove(ch *channel) {
	ch.place.Store(nil)
	d.drop(ch)
}

// drop is remove for a channel that is about to be added elsewhere: it is never
// seen without a place. Called with d.mu held.
func (d *delivery) drop(ch *channel) {
	delete(d.channels, ch)
	for _, b := range ch.bindings {
		d.unfile(b)
	}
	d.hub.metrics.bindings.Sub(float64(len(ch.bindings)))
}

// file puts a binding into the index. Where nothing is known yet of what its
// role may see, the index must not ask: it compiles the table anew when that is
// loaded, with the next change.
func (d *delivery) file(b *binding) {
	if _, used := d.roles[b.subject.Role]; !used {
		for oid, known := range d.relations {
			if _, loaded := known.views[b.subject.Role]; !loaded {
				d.index.Invalidate(oid)
			}
		}
	}
	d.index.Add(b.selector(d.hub.policy), b)
	d.tables[tableName{b.spec.Schema, b.spec.Table}]++
	use := d.roles[b.subject.Role]
	d.roles[b.subject.Role] = roleUse{bindings: use.bindings + 1, subject: b.subject}
}

func (d *delivery) unfile(b *binding) {
	d.index.Remove(b.selector(d.hub.policy), b)
	name := tableName{b.spec.Schema, b.spec.Table}
	if d.tables[name]--; d.tables[name] == 0 {
		delete(d.tables, name)
	}
	use := d.roles[b.subject.Role]
	if use.bindings--; use.bindings == 0 {
		delete(d.roles, b.subject.Role)
		return
	}
	d.roles[b.subject.Role] = use
}

// concerns reports whether any binding names the relation. Called with d.mu
// held.
func (d *delivery) concerns(rel *wal.Relation) bool {
	if isMessages(rel) {
		return false
	}
	return d.tables[tableName{rel.Schema, rel.Table}] > 0 || d.tables[tableName{rel.Schema, "*"}] > 0 ||
		d.tables[tableName{"*", rel.Table}] > 0 || d.tables[tableName{"*", "*"}] > 0
}

// deliver brings changes to the channels that match and may see them. It is
// false when ctx was done before they all were.
func (d *delivery) deliver(ctx context.Context, changes []*wal.Change) bool {
	if !d.awaitLeader(ctx, changes) {
		return false
	}
	for len(changes) > 0 {
		n, unknown, err := d.match(ctx, changes)
		if !d.decide(ctx) {
			return false
		}
		d.send(ctx)
		changes = changes[n:]
		if err != nil && !d.pause(ctx, "filters not decided, changes wait", err) || unknown != nil && !d.learn(ctx, unknown) {
			return false
		}
	}
	return true
}

// begin notes the history that the delivery's positions belong to.
func (d *delivery) begin(at changelog.Standing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sent.History != (changelog.History{}) {
		return
	}
	d.sent.History = at.History
	if d.relaysFor != nil && d.hub.log.Reason() != "" {
		d.hub.pasts.interrupt(true)
	}
}

// advance notes that what was taken has been pushed to whom it concerns. Called
// with d.mu held.
func (d *delivery) advance() {
	if d.taken.Compare(d.sent.Position) > 0 {
		d.sent.Position = d.taken
	}
	d.progressed(&d.sent.Position)
}

// standing is up to where everything that a channel of the delivery is to have
// has been pushed. Called with d.mu held.
func (d *delivery) standing(ch *channel) changelog.Standing {
	at := changelog.Standing{History: ch.history, Position: ch.from}
	if d.sent.Position.Compare(ch.from) > 0 {
		at = d.sent
	}
	return d.hub.log.Reach(at)
}

// match finds the bindings of the changes until it has many or comes to a
// relation whose grants and policies are not known yet, which it returns. n
// changes are done. An error means that Postgres could not be asked about a
// comparison that Go is not certain of; nothing is done then.
func (d *delivery) match(ctx context.Context, changes []*wal.Change) (n int, unknown *wal.Relation, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.matches, d.relays = d.matches[:0], d.relays[:0]
	changes, unknown = d.known(changes)
	if err := d.index.Prepare(ctx, d.concerning, d.hub.config.Operators); err != nil {
		return 0, nil, err
	}
	for ; n < len(changes) && len(d.matches) < matchLimit; n++ {
		change := changes[n]
		d.taken = change.Position
		if d.gather(change) {
			continue
		}
		if change.Relation == nil || !d.concerns(change.Relation) {
			continue
		}
		views := d.relations[change.Relation.OID].views
		d.index.Match(change, func(b *binding) {
			d.matches = append(d.matches, match{change: change, binding: b, view: views[b.subject.Role]})
		})
		d.index.Failed(change, func(b *binding, err *filters.BindError) { b.tell(err, change.Relation) })
	}
	if n < len(changes) {
		unknown = nil // not there yet
	}
	if len(d.matches) == 0 && len(d.relays) == 0 {
		d.advance()
	}
	return n, unknown, nil
}

// known cuts the changes before the first of a relation that has to be learned,
// which it returns, and collects those that concern a binding. Called with d.mu
// held.
func (d *delivery) known(changes []*wal.Change) ([]*wal.Change, *wal.Relation) {
	d.concerning = d.concerning[:0]
	start := time.Now()
	for i, change := range changes {
		rel := change.Relation
		if rel == nil || !d.concerns(rel) {
			continue
		}
		if !d.knows(rel, start) {
			return changes[:i], rel
		}
		d.concerning = append(d.concerning, change)
	}
	return changes, nil
}

// pause waits a moment before Postgres is asked again; false when ctx is done.
func (d *delivery) pause(ctx context.Context, message string, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	//nolint:sloglint // a constant of the caller
	d.hub.logger.Warn(message, "err", err, "retry_in", learnRetry)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(learnRetry):
		return true
	}
}

// send pushes the frames of what was matched and may be seen, in order, with the
// messages among it.
func (d *delivery) send(ctx context.Context) {
	if len(d.matches) == 0 && len(d.relays) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hub.metrics.matched.Add(float64(len(d.matches)))
	relays := d.relays
	for start := 0; start < len(d.matches); {
		relays = d.relayBefore(relays, start)
		change := d.matches[start].change
		end := start + 1
		for end < len(d.matches) && d.matches[end].change == change {
			end++
		}
		if d.pace == nil {
			d.sendChange(change, d.matches[start:end])
		} else {
			d.sendPaced(ctx, change, d.matches[start:end])
		}
		start = end
	}
	d.relayBefore(relays, len(d.matches))
	clear(d.matches) // do not keep changes and bindings alive
	clear(d.relays)
	d.advance()
}

// sendChange sends one change to the channels of its matches: one frame for
// each channel, or several where its bindings see different columns.
func (d *delivery) sendChange(change *wal.Change, matches []match) {
	d.round++
	d.touched = d.touched[:0]
	for i := range matches {
		m := &matches[i]
		ch := m.binding.channel
		if ch.place.Load() != d || !ch.wants(m.binding, change) || !ch.active(m.binding) {
			continue
		}
		if m.verdict == policy.Ask && d.divert != nil {
			d.divert(ch, justBefore(change.Position))
			continue
		}
		if m.raised != nil {
			m.binding.tell(m.raised, change.Relation)
		}
		if !m.visible {
			d.hub.metrics.hidden.Inc()
			continue
		}
		d.hit(ch, m)
	}
	d.forget()
	for _, ch := range d.touched {
		if ch.place.Load() == d { // a later binding of it may have diverted it
			d.sendTo(ch, change)
		}
	}
}

// wants reports whether a change is among what the channel has still to get. It
// is not if the channel moved on or had it before.
func (c *channel) wants(b *binding, change *wal.Change) bool {
	return change.Position.Compare(c.from) > 0 && change.Position.Compare(b.after) > 0 && !change.CommitTime.Before(c.since)
}

func (d *delivery) hit(ch *channel, m *match) {
	if ch.round != d.round {
		ch.round = d.round
		ch.hits = ch.hits[:0]
		d.touched = append(d.touched, ch)
	}
	m.binding.see(m.view, d)
	ch.hits = append(ch.hits, m.binding)
}

// justBefore is the position after which a cursor's first change is p's.
func justBefore(p wal.Position) wal.Position {
	if p.Seq > 0 {
		return wal.Position{LSN: p.LSN, Seq: p.Seq - 1}
	}
	return wal.Before(p.LSN)
}
