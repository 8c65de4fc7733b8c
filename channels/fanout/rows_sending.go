package fanout

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"walcast/channels/live"
	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

const (
	rowsAtOnce = 64 << 10        // bytes of rows that are pushed at once
	rowsRetry  = 5 * time.Second // the longest pause between two tries to take a snapshot
)

// rowsSending takes the snapshot of a catch-up's subscription and sends it, at the pace
// of its client. It belongs to the goroutine of the catch-up.
type rowsSending struct {
	catchup  *catchup
	subject  *policy.Subject
	bindings []*diagnose.Binding // those whose snapshot is due
	rows     []*firstRows        // by binding: what was due when the snapshot was asked for
	held     []*viewRows         // by binding: what has been sent to views so far; nil for others
	isAgain  bool                // the client has had rows before, or was about to
	asked    *live.Asked
	toldAway bool
	pause    time.Duration
}

// sendRows sends all snapshots that are due. It is false when ctx is done, or the
// subscription has left.
func (c *catchup) sendRows(ctx context.Context) bool {
	c.turn.end()
	r := &rowsSending{catchup: c, pause: askRetry}
	r.with(func(s *Subscription) {
		s.progress.advance(c.delivery.standings.reached(s))
		c.delivery.waiting.discard(s) // the log is read again from there on
	})
	defer r.release()
	for !c.hasLeft() {
		r.release()
		switch due, isArmed := r.look(); {
		case !due:
			return true
		case !isArmed:
			if !r.await(ctx, nil) {
				return false
			}
			continue
		}
		if !r.rest(ctx) {
			return false
		}
		r.asked = c.fanout.config.Snapshots.Ask(live.SnapshotRequest{Subject: r.subject, Bindings: r.bindings, Fresh: r.isAgain})
		if !r.await(ctx, r.asked.Done()) {
			return false
		}
		select {
		case <-r.asked.Done():
		default:
			continue // something has happened to the subscription
		}
		taken, err := r.asked.Result()
		if err != nil {
			if !r.fail(ctx, err) {
				return false
			}
			continue
		}
		if r.isLost(taken) || r.isNothingNew(ctx, taken) {
			return true // the client is told what else it misses, before the rows
		}
		r.send(ctx, taken)
	}
	return false
}

// isLost reports whether other bindings have lost their place.
func (r *rowsSending) isLost(taken *live.Snapshot) (lost bool) {
	r.with(func(s *Subscription) {
		had := s.progress.rows
		lost = s.hasPlace() && (had.History != taken.From.History || had.Position.Compare(s.fanout.log.Oldest()) < 0)
	})
	return lost
}

// release gives a snapshot back, and what views were sent of it unless they go on with
// that.
func (r *rowsSending) release() {
	for _, h := range r.held {
		h.drop()
	}
	r.held = nil
	r.asked.Release()
	r.asked = nil
}

// look notes which snapshots are due, and reports whether there are any, and whether
// the client was told that its bindings work.
func (r *rowsSending) look() (due, isArmed bool) {
	r.with(func(s *Subscription) {
		r.bindings, r.rows = nil, nil
		for _, b := range s.bindings {
			if b.isDue() {
				due, r.subject = true, b.subject
				r.bindings, r.rows = append(r.bindings, b.Binding), append(r.rows, b.rows())
			}
		}
		isArmed, r.isAgain = s.isArmed, r.isAgain || s.hadRows
	})
	return due, isArmed
}

// with calls f with the lock of the delivery held, unless the subscription has left.
func (r *rowsSending) with(f func(s *Subscription)) bool {
	return r.catchup.subscription.ifAttachedTo(&r.catchup.delivery, func(*delivery) { f(r.catchup.subscription) })
}

// isCurrent reports whether the snapshot is still the one that is due. The lock of the
// delivery must be held.
func (r *rowsSending) isCurrent(s *Subscription) bool {
	for i, of := range r.bindings {
		n := s.indexOf(of)
		if n < 0 || s.bindings[n].rows() != r.rows[i] || !r.rows[i].due || s.bindings[n].subject != r.subject {
			return false
		}
	}
	return true
}

// await waits for done, or until something has happened to the subscription after which
// the snapshot may be another one. It is false when ctx is done.
func (r *rowsSending) await(ctx context.Context, done <-chan struct{}) bool {
	for {
		select {
		case <-done:
			return true
		case <-ctx.Done():
			return false
		case <-r.catchup.delivery.pacing.woken:
		}
		isCurrent := false
		r.with(func(s *Subscription) { isCurrent = done != nil && r.isCurrent(s) })
		if !isCurrent {
			return true
		}
	}
}

// fail ends a binding that can have no snapshot, has it wait for its table, or waits a moment
// before another try.
// It is false when ctx is done.
func (r *rowsSending) fail(ctx context.Context, err error) bool {
	var refused *live.RefusedError
	if errors.As(err, &refused) {
		r.with(func(s *Subscription) {
			switch of := r.bindings[refused.Binding]; {
			case r.empty(s, refused):
			case refused.IsOfTable:
				if r.isCurrent(s) { // else the next answer counts
					s.refuse(of)
				}
			default:
				s.endBinding(&r.catchup.delivery, of, refused.Problem)
			}
		})
		return true
	}
	var away *live.AwayError
	if errors.As(err, &away) && away.Unreachable && !r.toldAway {
		r.toldAway = true
		r.with(func(s *Subscription) {
			s.request.Outbox.Push(s.request.Address.Problem(protocol.StatusOK, protocol.DatabaseAway()))
		})
	}
	pause := r.pause
	r.pause = min(2*pause, rowsRetry)
	return r.pauseFor(ctx, pause)
}

// pauseFor waits for a time, or until the subscription has left. It is false when ctx is done.
func (r *rowsSending) pauseFor(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for !r.catchup.hasLeft() {
		select {
		case <-timer.C:
			return true
		case <-r.catchup.delivery.pacing.woken:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// rowGroup is bindings before whose rows the same is said, and which come between one
// beginning and one end.
type rowGroup struct {
	of   []int // indexes of the bindings
	head live.Head
	ids  []byte
	rows int
}

// groups are the groups of a snapshot, in the order of their first bindings.
func (r *rowsSending) groups(taken *live.Snapshot) (groups []*rowGroup) {
	for i, of := range r.bindings {
		n := slices.IndexFunc(groups, func(g *rowGroup) bool {
			return slices.Equal(g.head.Key, taken.Heads[i].Key) && bytes.Equal(g.head.Order, taken.Heads[i].Order)
		})
		if n < 0 {
			n = len(groups)
			groups = append(groups, &rowGroup{head: taken.Heads[i], ids: []byte("[")})
		}
		g := groups[n]
		if len(g.of) > 0 {
			g.ids = append(g.ids, ',')
		}
		g.of, g.rows = append(g.of, i), g.rows+taken.Counts[i]
		g.ids = strconv.AppendInt(g.ids, of.Spec.ID, 10)
	}
	for _, g := range groups {
		g.ids = append(g.ids, ']')
	}
	return groups
}

// send sends a snapshot. If something happens to the subscription meanwhile the
// snapshot stays due, and the next one replaces what was sent of it.
func (r *rowsSending) send(ctx context.Context, taken *live.Snapshot) {
	r.hold(taken)
	groups := r.groups(taken)
	for i, g := range groups {
		if !r.push(ctx, taken, 256, func(s *Subscription) bool { r.sendBegin(s, taken, g); return true }) {
			return
		}
		for _, binding := range g.of {
			if !r.sendBinding(ctx, taken, binding) {
				return
			}
		}
		isLast := i == len(groups)-1
		if !r.push(ctx, taken, 256, func(s *Subscription) bool { r.sendEnd(s, taken, g, isLast); return true }) {
			return
		}
	}
}

// push calls f, which pushes about size bytes, when the client has room. It is false if
// the snapshot is not the one that is due any more, or f is.
func (r *rowsSending) push(ctx context.Context, taken *live.Snapshot, size int, f func(s *Subscription) bool) (ok bool) {
	r.catchup.sendAtPace(ctx, size, func() {
		r.with(func(s *Subscription) { ok = ctx.Err() == nil && r.isCurrent(s) && !r.isOutdated(taken) && f(s) })
	})
	return ok
}

func (r *rowsSending) sendBegin(s *Subscription, taken *live.Snapshot, g *rowGroup) {
	r.warn(s, taken, g)
	reason := protocol.SnapshotJoin
	for _, i := range g.of {
		if reason = r.rows[i].reason; reason == protocol.SnapshotResync {
			break // it goes for all
		}
	}
	s.request.Outbox.Push(s.request.Address.SnapshotBegins(protocol.SnapshotBegin{
		Bindings: g.ids, Key: g.head.Key, Order: g.head.Order, Snapshot: taken.Visible.String(), Reason: reason,
	}))
}

// sendBinding sends the rows of one binding.
func (r *rowsSending) sendBinding(ctx context.Context, taken *live.Snapshot, binding int) bool {
	ids := []byte(idsOf(r.bindings[binding]))
	for from := 0; from < taken.Counts[binding]; {
		rows, keys, ok := taken.Rows(binding, from, rowsAtOnce)
		if !ok {
			return false // it was revoked: another one is taken
		}
		size := 0
		for _, row := range rows {
			size += len(row) + 128
		}
		from += len(rows)
		if !r.push(ctx, taken, size, func(s *Subscription) bool {
			if !r.note(s, binding, keys) {
				return false
			}
			for _, row := range rows {
				s.request.Outbox.Push(s.request.Address.Version.Changes(s.topic.Value().Name, ids, row))
			}
			s.fanout.metrics.delivered.Add(float64(len(rows)))
			return true
		}) {
			return false
		}
	}
	return true
}

// sendEnd ends a group. With the last of them the changes begin.
func (r *rowsSending) sendEnd(s *Subscription, taken *live.Snapshot, g *rowGroup, isLast bool) {
	named := r.named(s, taken)
	s.fanout.config.Snapshots.Name(named, taken)
	s.request.Outbox.Push(s.request.Address.SnapshotEnds(protocol.SnapshotEnd{
		Bindings: g.ids, Snapshot: taken.Visible.String(), Position: named.Text(), Rows: g.rows, Keys: r.keysIn(g),
	}))
	if isLast {
		r.goOn(s, taken)
	}
}

// named is the position that the client is told: bindings that have still to get what
// comes before the snapshot's changes go on there too, and so does who is cut before it
// is told of a gap.
func (r *rowsSending) named(s *Subscription, taken *live.Snapshot) wal.Position {
	at := taken.From.Position
	for _, b := range s.bindings {
		if b.isSilent() {
			continue
		}
		if had := later(b.after, s.progress.rows.Position); had.Compare(at) < 0 {
			at = had
		}
	}
	if s.gap != nil && s.gap.from.Compare(at) < 0 {
		at = s.gap.from
	}
	return at
}

func later(a, b wal.Position) wal.Position {
	if a.Compare(b) > 0 {
		return a
	}
	return b
}

// goOnWith has a binding go on with the rows of a snapshot.
func (r *rowsSending) goOnWith(s *Subscription, b *binding, taken *live.Snapshot, i int) {
	r.rows[i].drop()
	s.rows[b.Binding] = &firstRows{taken: taken, held: r.held[i], last: &lastRows{head: taken.Heads[i], visible: taken.Visible.String(), view: taken.Views[i]}}
	b.after = taken.From.Position
	if held := r.held[i]; held != nil {
		held.keys.Begin(b.after)
		s.fanout.kept.beginHeld(s.fanout.policy, b, held)
	}
}

// goOn has the catch-up read the log from where the snapshot's changes begin, or from
// where other bindings are. The lock of the delivery must be held.
func (r *rowsSending) goOn(s *Subscription, taken *live.Snapshot) {
	c, had := r.catchup, s.progress.rows
	hadPlace := s.hasPlace()
	for _, b := range s.bindings {
		switch i := slices.Index(r.bindings, b.Binding); {
		case i >= 0:
			r.goOnWith(s, b, taken, i)
		case b.isSilent(): // since the snapshot was asked for: its own comes next
		case had.History == taken.From.History:
			b.after = later(b.after, had.Position)
		}
	}
	r.held = nil
	c.delivery.matcher.attached.views.isStale = true
	if !hadPlace {
		s.unfinished.forget()
	}
	s.noteSent(time.Now())
	at := taken.From
	switch isAll := !slices.ContainsFunc(s.bindings, func(b *binding) bool { r := b.rows(); return r == nil || r.taken == nil && !r.isRefused }); {
	case isAll && (had.History != at.History || had.Position.Compare(s.fanout.log.Oldest()) < 0):
		s.missMessages() // all rows have been sent
	case had.Position.Compare(at.Position) < 0:
		at = had
	}
	if !s.isPlain() {
		s.progress.since = time.Time{}
	}
	c.from = at
	s.progress.rows = at
	c.delivery.standings.restart(changelog.Standing{History: at.History, Position: at.Position})
}
