package channels

import (
	"context"
	"slices"
	"sync"
	"time"

	"walcast/diagnose"
	"walcast/policy"
)

// turns is the checks that wait, by session. Checks of one session are made in
// their order, and the sessions take turns, so that no session waits for all
// checks of another. It is safe for concurrent use.
type turns struct {
	mu     sync.Mutex
	ready  *sync.Cond
	line   []*turn               // turns whose next check may be made, the longest waiting first
	later  []*channel            // those that are looked at again, seldom while others wait
	queued map[*channel]struct{} // those in later
	taken  int                   // how many turns were
	of     map[*Session]*turn    // by session
	checks map[*channel]*check
}

// turn is the checks of one session.
type turn struct {
	session *Session
	checks  []*check // in their order; the first may be under way
	// connection gives back one of the connections for joins, nil for none. It
	// belongs to the worker that makes the first check, or to the goroutine that waits
	// for one.
	connection func()
}

// connect takes one of the connections for joins, if there is one for the subject
// now.
func (t *turn) connect(p *policy.Policy, s *policy.Subject) (ok bool) {
	if t.connection == nil {
		t.connection, ok = p.TryJoin(s)
		return ok
	}
	return true
}

// disconnect gives the connection back.
func (t *turn) disconnect() {
	if t.connection != nil {
		t.connection()
		t.connection = nil
	}
}

// check is the check of one channel's bindings. What is not guarded by the lock
// of turns belongs to the worker that makes it.
type check struct {
	channel *channel
	made    *diagnose.Check // nil before the first step
	began   time.Time       // when it was made
	second  bool            // the bindings worked before
	subject *policy.Subject // that made is for
	since   time.Time       // when it was asked for
	away    bool            // the client was told that the database does not answer; guarded
	again   bool            // another check was asked for meanwhile; guarded
}

func newTurns() *turns {
	t := &turns{of: map[*Session]*turn{}, checks: map[*channel]*check{}, queued: map[*channel]struct{}{}}
	t.ready = sync.NewCond(&t.mu)
	return t
}

// add has a channel checked. If it waits for a check already there is no second
// one; if its check is under way another one follows.
func (t *turns) add(ch *channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := t.checks[ch]; c != nil {
		c.again = true
		return
	}
	c := &check{channel: ch, since: now()}
	t.checks[ch] = c
	t.enqueue(c)
}

// laterShare is which share of the turns those have that are looked at again, while
// others wait.
const laterShare = 4

// addLater has channels checked whose clients do not wait for it.
func (t *turns) addLater(channels []*channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ch := range channels {
		if _, waits := t.queued[ch]; !waits {
			t.queued[ch] = struct{}{}
			t.later = append(t.later, ch)
		}
	}
	t.ready.Broadcast()
}

// promote has the first of those wait that are checked later. t.mu must be held.
func (t *turns) promote() {
	ch := t.later[0]
	t.later[0] = nil
	t.later = t.later[1:]
	delete(t.queued, ch)
	if !ch.ended.Load() && t.checks[ch] == nil {
		c := &check{channel: ch, since: now()}
		t.checks[ch] = c
		t.enqueue(c)
	}
}

// enqueue puts a check behind the others of its session. t.mu must be held.
func (t *turns) enqueue(c *check) {
	s := c.channel.session
	own := t.of[s]
	if own == nil {
		own = &turn{session: s}
		t.of[s] = own
		t.wait(own)
	}
	own.checks = append(own.checks, c)
}

// wait puts a turn at the end of the line. t.mu must be held.
func (t *turns) wait(own *turn) {
	t.line = append(t.line, own)
	t.ready.Signal()
}

// first puts a turn before all others: it has a connection, which others wait for.
func (t *turns) first(own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.line = slices.Insert(t.line, 0, own)
	t.ready.Signal()
}

// next waits for a turn and returns it with its first check; nil means that ctx
// is done. The caller must give it back by goOn, end or postpone.
func (t *turns) next(ctx context.Context) (*turn, *check) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken++; t.taken%laterShare == 0 && len(t.later) > 0 {
		t.promote()
	}
	for len(t.line) == 0 && ctx.Err() == nil {
		if len(t.later) > 0 {
			t.promote()
			continue
		}
		t.ready.Wait()
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	own := t.line[0]
	t.line[0] = nil
	t.line = t.line[1:]
	own.checks[0].again = false
	return own, own.checks[0]
}

// lateAfter is how long a check waits until its client is told that the database is
// away, once that is known. Where the database answers checks take less.
const lateAfter = time.Second

// late are the checks that have waited for long, of which the clients were not told why.
func (t *turns) late(now time.Time) (late []*check) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.checks {
		if !c.away && now.Sub(c.since) >= lateAfter {
			late = append(late, c)
		}
	}
	return late
}

// tell notes that the client of a check is told that the database does not answer. It is
// false if it was told before.
func (t *turns) tell(c *check) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	isFirst := !c.away
	c.away = true
	return isFirst
}

// wake has the workers that wait in next look at their ctx.
func (t *turns) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ready.Broadcast()
}

// size is how many checks there are.
func (t *turns) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.checks)
}

// goOn continues the turn's first check when all other sessions have had a
// turn.
func (t *turns) goOn(own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wait(own)
}

// end takes the turn's first check out. If another check of the channel was
// asked for meanwhile it is begun anew instead, and end reports false.
func (t *turns) end(own *turn) (ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := own.checks[0]
	if c.again && !c.channel.ended.Load() {
		c.made = nil
		t.wait(own)
		return false
	}
	delete(t.checks, c.channel)
	t.shift(own)
	return true
}

// postpone continues the turn's first check after a time.
func (t *turns) postpone(own *turn, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := own.checks[0]
	t.shift(own)
	time.AfterFunc(wait, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.enqueue(c)
	})
}

// shift takes the first check out of its turn. t.mu must be held.
func (t *turns) shift(own *turn) {
	own.checks[0] = nil
	if own.checks = own.checks[1:]; len(own.checks) > 0 {
		t.wait(own)
		return
	}
	delete(t.of, own.session)
}
