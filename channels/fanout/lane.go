package fanout

import (
	"context"
	"errors"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// shard matches the changes for its share of the topics. Subscriptions whose
// rows are not for everybody are in a lane of their own, so that the others never
// wait for Postgres.
type shard struct {
	direct, secured *lane
}

// lane follows the log and delivers its changes to the subscriptions attached to
// it.
type lane struct {
	delivery
	// secured is where a direct lane's subscriptions go with their first row under
	// row-level security. It stays behind: who comes to it is not too late.
	secured *lane
	ahead   *lane         // of a secured lane, the direct one
	moved   chan struct{} // has a token when that has gone on
	// cursor is there from the beginning: a subscription may be attached before
	// run is, and what commits in between is due to it. It belongs to run.
	cursor *changelog.Cursor
}

// clockSkew is how far the clocks of Postgres and walcast may be apart before a
// subscription made while the database was away misses something.
const clockSkew = 5 * time.Second

// takeLimit is how many changes are taken from the log at once; between two
// batches subscriptions come and go.
const takeLimit = 256

// newShard makes the lanes of a shard. The first one reports for all.
func newShard(f *Fanout, isFirst bool) *shard {
	s := &shard{direct: &lane{cursor: f.log.Follow()}, secured: &lane{cursor: f.log.Follow()}}
	s.secured.ahead, s.secured.moved = s.direct, make(chan struct{}, 1)
	s.secured.init(f, secured)
	s.secured.spill = s.secured.leaveBehind
	s.direct.init(f, direct)
	s.direct.spill = s.direct.leaveBehind
	s.direct.secured, s.direct.divert = s.secured, s.direct.moveToSecured
	s.direct.leader = &leader{
		owns:    func(t Topic) bool { return f.shardOf(t.Name) == s },
		reports: isFirst,
		newest:  newest{},
	}
	return s
}

// run follows the log until ctx is done.
//
// A direct lane holds the log: the reader waits for it rather than have all of
// its subscriptions resync. The secured lane does not, as Postgres may be slow.
func (l *lane) run(ctx context.Context) error {
	if l.kind == direct {
		l.cursor.Hold()
		defer l.cursor.LetGo()
	}
	for {
		changes, err := l.cursor.Next(ctx, takeLimit)
		var resync *changelog.ResyncError
		switch {
		case errors.As(err, &resync):
			l.resync(resync)
		case err != nil:
			return nil // the context's: the fanout is stopping
		default:
			l.begin(l.cursor.Standing().History)
			if !l.stayBehind(ctx, l.cursor.Standing()) || !l.deliver(ctx, changes) {
				return nil
			}
		}
		l.tellSecured()
	}
}

// tellSecured has the secured lane go on.
func (l *lane) tellSecured() {
	if l.secured == nil {
		return
	}
	select {
	case l.secured.moved <- struct{}{}:
	default:
	}
}

// stayBehind has a secured lane wait for the direct one to have come as far. It
// is false when ctx is done.
func (l *lane) stayBehind(ctx context.Context, to changelog.Standing) bool {
	for l.ahead != nil {
		at := l.ahead.progress()
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

// begin notes the history that the lane's positions belong to. The lane has read
// all of it.
func (l *lane) begin(h changelog.History) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sent.History != (changelog.History{}) {
		return
	}
	l.sent.History = h
	if l.leader != nil {
		l.leader.newest.restart(l.fanout.log.Oldest())
	}
}

// attach puts a subscription on the lane, live from now, once it has been told
// to resync if e is not nil.
func (l *lane) attach(s *Subscription, e *changelog.ResyncError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	live := l.fanout.log.Standing()
	s.started, s.due = live, due{rows: live}
	s.due.startLive(l.unsent())
	if live.Position.IsZero() {
		// The log has not begun and will start with what is old. Positions do
		// not tell yet what that is; commit times do, nearly.
		s.due.since = time.Now().Add(-clockSkew)
	}
	if e != nil {
		told := *e
		told.Oldest, told.Position, told.History = l.fanout.log.Oldest(), live.Position, live.History
		s.resync(&told)
	}
	l.watch(s)
	l.add(s)
}

// unsent is the standing after which messages from SQL are for somebody who
// starts live: what the lane has not sent yet is not known to replays either, but
// what was committed before the log was followed is for nobody who was not here.
// l.mu is held.
func (l *lane) unsent() changelog.Standing {
	at := l.sent
	if old := l.fanout.log.Refilled(); at.History != (changelog.History{}) && old.Compare(at.Position) > 0 {
		at.Position = old
	}
	return at
}

// live is unsent for somebody who is not on the lane.
func (l *lane) live() changelog.Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unsent()
}

// attachProven puts a subscription without bindings on the lane whose client has
// everything up to a standing, whatever the log still has. It is false, and
// nothing is done, if messages may have come since.
func (l *lane) attachProven(s *Subscription, from changelog.Standing) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !from.ContinuedBy(l.sent.History) || from.Position.Compare(l.fanout.log.Live()) > 0 ||
		!l.leader.newest.excludes(s.topic, from.Position) {
		return false
	}
	s.due.rows.History, s.due.messages.History = l.sent.History, l.sent.History
	l.add(s)
	return true
}

// watch has messages for a subscription noted that its client may come back for.
// l.mu is held.
func (l *lane) watch(s *Subscription) {
	if l.leader != nil && len(s.request.Bindings) == 0 && s.request.Member != nil && s.request.Recognised {
		l.leader.newest.watch(s.topic, l.sent.Position)
	}
}

// moveToSecured moves a subscription to the secured lane, to which everything
// after position is due. l.mu is held; the secured lane's lock comes second.
func (l *lane) moveToSecured(s *Subscription, position wal.Position) {
	l.drop(s)
	s.due.advance(changelog.Standing{History: l.sent.History, Position: position})
	l.secured.mu.Lock()
	defer l.secured.mu.Unlock()
	if l.secured.taken.Compare(position) <= 0 {
		l.secured.add(s)
		return
	}
	l.fanout.catchUp(s, l.secured, s.due.rows)
}

// leaveBehind has a subscription come back by a catch-up, to which everything
// after position is due: too much of it waits. l.mu is held.
func (l *lane) leaveBehind(s *Subscription, position wal.Position) {
	l.drop(s)
	s.due.advance(changelog.Standing{History: l.sent.History, Position: position})
	l.fanout.metrics.spilled.Inc()
	l.fanout.catchUp(s, l, s.due.rows)
}

// resync tells every subscription of the lane that changes are missing: the lane
// fell behind the log's budget, or the log began anew.
func (l *lane) resync(e *changelog.ResyncError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := changelog.Standing{History: e.History, Position: e.Position}
	l.taken, l.sent = at.Position, at
	if l.leader != nil {
		l.leader.newest.restart(at.Position)
	}
	for s := range l.attached.all() {
		own := s.behindOf(e)
		l.discard(s)
		switch {
		case !s.due.begins(at):
			s.lose(own)
			s.due.moveTo(at)
		case s.due.messages.History != at.History:
			s.due.messages = at // it came later than what is missing, to a lane in the history before
		}
	}
}

// count is how many subscriptions are attached.
func (l *lane) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range l.attached.all() {
		n++
	}
	return n
}
