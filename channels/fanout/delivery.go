package fanout

import (
	"context"
	"sync"
	"time"

	"walcast/policy"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// delivery turns changes into frames for the subscriptions attached to it, in
// three steps, which follow here in this order: match finds the bindings that a
// change is for (with the lock), confirm waits for a look at the rules of access if
// rows are under row-level security (without it), send pushes the frames (with it).
// What is not decided then waits in the queue of its subscription until Postgres has
// answered, and the delivery goes on.
type delivery struct {
	fanout *Fanout
	kind   kind
	pacing pacing

	// matched and read are of the changes that deliver was called with. They
	// belong to the goroutine that calls it.
	matched matched
	read    readMark

	mu        sync.Mutex // guards what follows
	matcher   matcher
	sender    sender
	waiting   waiting
	standings standings
}

// readMark says that everything up to a standing had been read from the WAL at
// a time.
type readMark struct {
	changelog.Standing
	at time.Time
}

// kind is what a delivery is for.
type kind uint8

const (
	direct kind = iota
	secured
	catchingUp
)

// init makes the delivery's parts known to each other. The delivery must not be
// copied afterwards.
func (d *delivery) init(f *Fanout, k kind, to moves, notes *messageNotes) {
	d.fanout, d.kind = f, k
	d.matcher = newMatcher(d, notes)
	d.waiting = newWaiting(d, to)
	d.sender = newSender(d, notes)
}

// deliver brings changes to the subscriptions that match and may see them. It
// is false when ctx was done before it had sent all.
func (d *delivery) deliver(ctx context.Context, changes []*wal.Change) bool {
	for len(changes) > 0 {
		n, unknown := 0, (*wal.Relation)(nil)
		d.pacing.whenFree(func() (waits bool) {
			n, unknown = d.match(changes)
			return unknown != nil || !d.matched.isEmpty()
		})
		if !d.confirm(ctx) {
			return false
		}
		d.send(ctx)
		changes = changes[n:]
		if unknown != nil && !d.learn(ctx, unknown) {
			return false
		}
	}
	return true
}

// match finds the bindings of the changes until it has many matches, or comes
// to a state of a table that the delivery does not know yet, which it returns.
// It has handled n changes then.
func (d *delivery) match(changes []*wal.Change) (n int, unknown *wal.Relation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, unknown = d.matcher.match(changes, &d.matched)
	if n > 0 {
		d.standings.taken = changes[n-1].Position
	}
	if d.matched.isEmpty() {
		d.standings.advance(d.standings.taken)
	}
	return n, unknown
}

// confirm waits for a look at the rules of access that began after the changes
// were read from the WAL, and saw their transactions. Matches whose rules have
// changed meanwhile become outdated. If no row is under row-level security it
// waits only if looks are late: nothing is sent by rules that are older than
// access-age. It is false when ctx is done.
func (d *delivery) confirm(ctx context.Context) bool {
	if len(d.matched.matches) == 0 {
		return true
	}
	since, late := d.fanout.policy.Late()
	if len(d.matched.secured) == 0 && !late {
		return true
	}
	readAt := since
	if len(d.matched.secured) > 0 {
		if at := d.readBefore(d.matched.last()); !late || at.After(since) {
			readAt = at
		}
	}
	for {
		now, err := d.fanout.policy.Confirm(ctx, readAt, d.matched.secured...)
		switch {
		case err != nil:
			if !d.fanout.complaints.pause(ctx, "rules of access not looked at, rows wait", err) {
				return false
			}
			continue
		case now != d.matcher.tables.generation: // which match alone changes, in this goroutine
			d.matched.compare(d.fanout.policy, late)
		}
		return true
	}
}

// readBefore is a time by which the change at a position had been read from the
// WAL. It is the same for all changes that the log has now, so that one look is
// enough for a whole backlog.
func (d *delivery) readBefore(p wal.Position) time.Time {
	if d.read.History != d.sentUpTo().History || p.Compare(d.read.Position) > 0 {
		d.read.Standing = d.fanout.log.Standing()
		d.read.at = time.Now()
	}
	return d.read.at
}

// send pushes the matches that may be seen, and the messages among them, in
// order. Matches that are not decided wait in the queues of their
// subscriptions.
func (d *delivery) send(ctx context.Context) {
	if d.matched.isEmpty() {
		return
	}
	d.fanout.metrics.matched.Add(float64(len(d.matched.matches)))
	if d.pacing.pace == nil {
		d.sendAll()
	} else {
		d.sendPaced(ctx)
	}
	d.sender.tellAppeared() // without the lock, as Published may call the subscription
	d.matched.clear()
}

func (d *delivery) sendAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, ok := d.matched.next(); ok; s, ok = d.matched.next() {
		d.sender.send(s, d.matched.outdated)
	}
	d.standings.advance(d.standings.taken)
}

// sendPaced is sendAll at the pace of the client. The lock is held for one step
// at a time: others that need it must not wait for the client.
func (d *delivery) sendPaced(ctx context.Context) {
	for s, ok := d.matched.next(); ok; s, ok = d.matched.next() {
		send := func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.sender.send(s, d.matched.outdated)
			d.standings.advance(s.change.Position)
		}
		if d.isWaiting() || d.passes(s) {
			send() // it only joins the queue, behind what waits there, or nobody is told
		} else {
			d.pacing.pace(ctx, frameSize(s.change), send)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.standings.advance(d.standings.taken)
}

// isWaiting reports whether something waits in a queue.
func (d *delivery) isWaiting() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.waiting.subscriptions) > 0
}

// viewsWaitedFor is how long a lane waits for the views of a new state of a
// table. Matches that need one which comes later wait in the queues of their
// subscriptions.
const viewsWaitedFor = 250 * time.Millisecond

// learn makes a new state of a table known. It is false when ctx is done.
func (d *delivery) learn(ctx context.Context, rel *wal.Relation) bool {
	var limit <-chan time.Time
	if d.kind != catchingUp {
		timer := time.NewTimer(viewsWaitedFor)
		defer timer.Stop()
		limit = timer.C
	}
	for _, done := range d.meet(rel) {
		select {
		case <-done:
		case <-limit:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// meet takes in what is known already of what the roles may see of a relation,
// and has the rest read.
func (d *delivery) meet(rel *wal.Relation) (reading []<-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.matcher.tables.meet(rel)
}

// learned takes in a view that was read, and sends what was waiting for it.
func (d *delivery) learned(table *tableState, role string, view *policy.View, fault error) {
	d.takeView(table, role, view, fault)
	d.wake(nil)
}

func (d *delivery) takeView(table *tableState, role string, view *policy.View, fault error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.matcher.tables.take(table, role, view, fault)
}

// wake sends the steps of some subscriptions that are decided by now; nil means
// all of the delivery. A lane's steps are sent by the goroutine that got the
// answer, those of a catch-up by its own, once the client has room.
func (d *delivery) wake(subscriptions []*Subscription) {
	if d.kind == catchingUp {
		d.pacing.signal()
		return
	}
	if subscriptions == nil {
		subscriptions = d.allWaiting()
	}
	for len(subscriptions) > 0 {
		subscriptions = d.releaseEach(subscriptions)
	}
}

func (d *delivery) allWaiting() []*Subscription {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting.all()
}

// releaseEach sends one step of each subscription, and returns those that have
// more to send. Subscriptions that wait for the same changes so share their
// frames, and the lane goes on between two steps.
func (d *delivery) releaseEach(subscriptions []*Subscription) (left []*Subscription) {
	d.mu.Lock()
	defer d.mu.Unlock()
	left = subscriptions[:0]
	for _, s := range subscriptions {
		if d.waiting.release(s) || d.matcher.attached.has(s) && s.tellGap() && s.behind() { // the lane may have nothing to do for long
			left = append(left, s)
		}
	}
	return left
}

// add attaches a subscription. From now on the delivery sends what the
// subscription has still to get. d.mu must be held.
func (d *delivery) add(s *Subscription) {
	s.number = 0 // each delivery numbers its changes itself
	s.attachedTo.Store(d)
	d.matcher.attached.add(s)
	d.matcher.attached.addBindings(s)
	d.matcher.attached.noteAgain(s)
	if !s.awaitsRows() { // otherwise a catch-up tells, behind the rows
		s.tellGap() // a lane may have nothing to do for long
	}
}

// drop takes a subscription out. Unless it is closed it is added to another
// delivery next: attachedTo stays as it is until then, so that nobody takes it
// for a closed one. d.mu must be held.
func (d *delivery) drop(s *Subscription) {
	d.waiting.discard(s)
	delete(d.waiting.gaps, s)
	d.matcher.attached.removeBindings(s)
	d.matcher.attached.remove(s)
	d.pacing.signal()
}

// sentUpTo is the standing up to which everything has been pushed.
func (d *delivery) sentUpTo() changelog.Standing {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.standings.sent
}
