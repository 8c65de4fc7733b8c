package fanout

import (
	"context"
	"errors"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// lane follows the log and delivers its changes to the subscriptions attached
// to it.
type lane struct {
	fanout   *Fanout
	delivery delivery
	notes    *messageNotes // of a direct lane, nil for others
	// secured is the lane to which a direct lane moves subscriptions. It stays
	// behind the direct lane, so that it has not passed the change with which
	// one moves.
	secured *lane
	ahead   *lane         // of a secured lane: the direct lane
	moved   chan struct{} // of a secured lane: has a token when the direct lane has gone on
	// cursor follows the log from the beginning on: a subscription may be
	// attached before run is called, and gets what commits in between. It
	// belongs to run.
	cursor *changelog.Cursor
}

// clockSkew is how far the clocks of Postgres and walcast may differ before a
// subscription that starts before the log has begun misses something.
const clockSkew = 5 * time.Second

// takeLimit is how many changes are taken from the log at once; in between
// subscriptions come and go.
const takeLimit = 256

// run follows the log until ctx is done.
//
// While a direct lane has not come as far, the log drops nothing and the reader
// waits: otherwise all of the lane's subscriptions would have to resync. The
// secured lane does not keep the reader waiting, as Postgres may be slow.
func (l *lane) run(ctx context.Context) error {
	if l.delivery.kind == direct {
		l.cursor.Hold()
		defer l.cursor.LetGo()
	}
	for {
		changes, err := l.next(ctx)
		var resync *changelog.ResyncError
		switch {
		case errors.As(err, &resync):
			l.resync(resync)
		case err != nil:
			return nil // ctx is done
		default:
			at := l.cursor.Standing()
			if at.History == (changelog.History{}) {
				continue // the log has begun anew: what was taken is missing as what follows it is
			}
			l.begin(at.History)
			if !l.stayBehind(ctx, at) || !l.delivery.deliver(ctx, changes) {
				return nil
			}
		}
		l.tellSecured()
	}
}

// next returns changes, none if there were none for gapQuiet while clients are still to
// be told of gaps.
func (l *lane) next(ctx context.Context) ([]*wal.Change, error) {
	if !l.delivery.tellGaps() {
		return l.cursor.Next(ctx, takeLimit)
	}
	short, cancel := context.WithTimeout(ctx, gapQuiet)
	defer cancel()
	changes, err := l.cursor.Next(short, takeLimit)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil
	}
	return changes, err
}

// tellSecured tells the secured lane that this direct lane has gone on.
func (l *lane) tellSecured() {
	if l.secured == nil {
		return
	}
	select {
	case l.secured.moved <- struct{}{}:
	default:
	}
}

// stayBehind has a secured lane wait until the direct lane has come as far. It
// is false when ctx is done.
func (l *lane) stayBehind(ctx context.Context, to changelog.Standing) bool {
	for l.ahead != nil {
		at := l.ahead.delivery.sentUpTo()
		if at.History != (changelog.History{}) && (at.History != to.History || at.Position.Compare(to.Position) >= 0) {
			break
		}
		select {
		case <-l.moved:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// begin notes the history that the lane's positions belong to, when the lane
// has read its first changes.
func (l *lane) begin(h changelog.History) {
	l.delivery.mu.Lock()
	defer l.delivery.mu.Unlock()
	if l.delivery.standings.sent.History != (changelog.History{}) {
		return
	}
	l.delivery.standings.sent.History = h
	if l.notes != nil {
		l.notes.newest.restart(l.fanout.log.Oldest())
	}
}

// attach puts a subscription on the lane, live from now on. If e is not nil the
// client is told to resync first.
func (l *lane) attach(s *Subscription, e *changelog.ResyncError) {
	l.delivery.mu.Lock()
	defer l.delivery.mu.Unlock()
	live := l.fanout.log.Standing()
	s.started, s.progress = live, progress{rows: live}
	s.progress.startLive(l.unsent())
	if live.Position.IsZero() {
		// The log has not begun, and will begin with changes from before now. By
		// position they cannot be told from new ones yet, by commit time nearly.
		s.progress.since = time.Now().Add(-clockSkew)
	}
	if e != nil {
		told := *e
		told.Oldest, told.Position, told.History = l.fanout.log.Oldest(), live.Position, live.History
		s.resync(&told)
	}
	l.watch(s)
	l.delivery.add(s)
}

// unsent is the standing after which a subscription that starts live gets
// messages from SQL. Messages that the lane has not sent yet belong to it: a
// replay could not have brought them. Messages that were committed before the
// log was followed do not. The lock of the delivery must be held.
func (l *lane) unsent() changelog.Standing {
	at := l.delivery.standings.sent
	if old := l.fanout.log.Refilled(); old.Compare(at.Position) > 0 {
		at.Position = old
	}
	return at
}

// live is unsent for callers without the lock.
func (l *lane) live() changelog.Standing {
	l.delivery.mu.Lock()
	defer l.delivery.mu.Unlock()
	return l.unsent()
}

// attachProven puts a subscription without bindings on the lane. Its client has
// everything up to a standing, whether the log still goes back that far or not.
// It is false, and does nothing, if messages may have come since.
func (l *lane) attachProven(s *Subscription, from changelog.Standing) bool {
	l.delivery.mu.Lock()
	defer l.delivery.mu.Unlock()
	if !from.ContinuedBy(l.delivery.standings.sent.History) || from.Position.Compare(l.fanout.log.Live()) > 0 ||
		!l.notes.newest.excludes(s.topic, from.Position) {
		return false
	}
	s.progress.rows.History, s.progress.messages.History = l.delivery.standings.sent.History, l.delivery.standings.sent.History
	l.delivery.add(s)
	return true
}

// watch begins to note messages on the topic of a subscription whose client may
// come back and ask what it has missed. The lock of the delivery must be held.
func (l *lane) watch(s *Subscription) {
	if l.notes != nil && len(s.request.Bindings) == 0 && s.request.Member != nil && s.request.Recognised {
		l.notes.newest.watch(s.topic, l.delivery.standings.sent.Position)
	}
}

// moveToSecured moves a subscription to the secured lane, which sends
// everything after position. The lock of the delivery must be held; it takes that of the secured
// lane.
func (l *lane) moveToSecured(s *Subscription, position wal.Position) {
	l.delivery.drop(s)
	s.progress.advance(changelog.Standing{History: l.delivery.standings.sent.History, Position: position})
	l.secured.delivery.mu.Lock()
	defer l.secured.delivery.mu.Unlock()
	if to := &l.secured.delivery.standings; to.isIn(l.delivery.standings.sent.History) && to.taken.Compare(position) <= 0 {
		l.secured.delivery.add(s)
		return
	}
	l.fanout.catchUp(s, l.secured, s.progress.rows)
}

// moveToCatchUp moves a subscription to a catch-up, which sends everything
// after position. The lock of the delivery must be held.
func (l *lane) moveToCatchUp(s *Subscription, position wal.Position) {
	l.delivery.drop(s)
	s.progress.advance(changelog.Standing{History: l.delivery.standings.sent.History, Position: position})
	l.fanout.metrics.leftLane.Inc()
	l.fanout.catchUp(s, l, s.progress.rows)
}

// resync tells every subscription of the lane that changes are missing: the
// lane was slower than the log could keep, or the log began anew.
func (l *lane) resync(e *changelog.ResyncError) {
	l.delivery.mu.Lock()
	defer l.delivery.mu.Unlock()
	at := changelog.Standing{History: e.History, Position: e.Position}
	l.delivery.standings.restart(at)
	if l.notes != nil {
		l.notes.newest.restart(at.Position)
	}
	var due []*Subscription
	for s := range l.delivery.matcher.attached.all() {
		own := s.behindOf(e)
		l.delivery.waiting.discard(s)
		switch {
		case !s.progress.begins(at):
			s.lose(own)
			s.progress.moveTo(at)
		case s.progress.messages.History != at.History:
			// It was added after the gap, while the lane was in the history before.
			s.progress.messages = at
		}
		if s.awaitsRows() {
			due = append(due, s)
		}
	}
	for _, s := range due {
		l.delivery.waiting.takeRows(s, at.Position)
	}
}

// count is how many subscriptions are attached.
func (l *lane) count() (n int) {
	l.delivery.mu.Lock()
	defer l.delivery.mu.Unlock()
	for range l.delivery.matcher.attached.all() {
		n++
	}
	return n
}
