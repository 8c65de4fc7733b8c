package channels

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// arming has the bindings of channels checked against the database after their
// join was answered, and tells the channel whether they work. The bindings
// match meanwhile: what commits after the reply is delivered.
type arming struct {
	checker *diagnose.Checker
	policy  *policy.Policy
	logger  *slog.Logger
	feed    func() Feed
	waiting waiting // channels whose table is not published
	turns   *turns
	armed   *armed // channels whose bindings worked
}

const (
	// armingWorkers is how many channels are checked at once; each takes one
	// connection of the pool for a moment.
	armingWorkers = 2
	// armingSteps and armingTime bound how much of a session's bindings is
	// checked before other sessions have their turn. A step asks Postgres a few
	// things at most.
	armingSteps = 100
	armingTime  = 20 * time.Millisecond
	// armingPause is after how many steps others have the processor.
	armingPause = 20
	// armingRetry is the pause before a check is made again that the database
	// did not answer.
	armingRetry = 5 * time.Second
	// watchEvery is how often it is looked whether changes come. Every second time
	// the catalog is asked whether something has changed that armed channels depend
	// on, and every fifth time for tables that channels wait for, while there are
	// such channels. Rows do not wait for either.
	watchEvery     = time.Second
	changedEvery   = 2
	publishedEvery = 5
	// lookLimit bounds the looks at one time: while the database is away it is to be
	// noticed that no changes come.
	lookLimit = 2 * time.Second
	// checkLimit is how long a check waits for an answer of the database until the
	// client is told that there is none: less than a join waits for its check.
	checkLimit = 6 * time.Second
)

func newArming(c *diagnose.Checker, p *policy.Policy, feed func() Feed, logger *slog.Logger) *arming {
	if feed == nil {
		feed = func() Feed { return Feed{Streams: true} }
	}
	return &arming{
		checker: c, policy: p, logger: logger, feed: feed,
		waiting: waiting{channels: map[*channel]catalog.TableName{}}, turns: newTurns(), armed: newArmed(),
	}
}

// check has the channel's bindings checked soon, as if for the first time.
func (a *arming) check(ch *channel) {
	a.armed.remove(ch)
	a.turns.add(ch)
}

// run checks channels until ctx is done. What waits for a connection does so in a
// goroutine of the group.
func (a *arming) run(ctx context.Context, g *errgroup.Group) error {
	stop := context.AfterFunc(ctx, a.turns.wake)
	defer stop()
	for {
		own, first := a.turns.next(ctx)
		if own == nil {
			return nil
		}
		if subject := first.channel.access.acting(); own.connect(a.policy, subject) {
			a.take(ctx, own, first)
		} else {
			g.Go(func() error { return a.await(ctx, own, subject) })
		}
	}
}

// await has a turn go on once there is a connection for its subject. No worker waits
// for that: meanwhile there may be one for other subjects.
func (a *arming) await(ctx context.Context, own *turn, s *policy.Subject) error {
	done, err := a.policy.Join(ctx, s)
	if err != nil {
		return nil // ctx is done
	}
	own.connection = done
	a.turns.first(own)
	return nil
}

// take continues the first check of a turn. If the database does not answer, it
// tells the client once, and has other sessions' bindings checked meanwhile.
func (a *arming) take(ctx context.Context, own *turn, c *check) {
	if c.channel.ended.Load() {
		own.disconnect()
		a.turns.end(own)
		return
	}
	done, err := a.goOn(ctx, c)
	own.disconnect()
	switch {
	case err != nil && c.second:
		a.armed.doubt(c.channel)
		a.turns.end(own)
	case err != nil && ctx.Err() == nil:
		if a.away(c) {
			a.logger.Warn("bindings not checked", "err", err, "retry_in", armingRetry)
		}
		a.turns.postpone(own, armingRetry)
	case !done:
		a.turns.goOn(own)
	case !a.turns.end(own):
	case c.second:
		a.learn(c.channel, c.made.Finding())
	default:
		a.conclude(c.channel, c.made.Finding(), c.began.Add(-diagnose.Believed))
	}
}

// away tells a client once that its bindings are not checked yet, as the database does
// not answer. A join that waits for its check is told so at its limit.
func (a *arming) away(c *check) (told bool) {
	if reply := c.channel.out.deferral; reply.waits() {
		reply.miss()
		return false
	}
	return a.turns.tell(c) && a.armed.tellAway(c.channel)
}

// goOn makes some steps of a check, over the connection of its turn. A step that asks
// nothing only computes: others have the processor from time to time.
func (a *arming) goOn(ctx context.Context, c *check) (done bool, err error) {
	subject := c.channel.access.acting()
	if subject == nil { // the channel has ended
		c.made = a.checker.Begin(nil, nil)
	} else if c.made == nil || c.subject != subject {
		a.begin(c, subject)
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	until := time.Now().Add(armingTime)
	for n := 1; n <= armingSteps && !done && err == nil && time.Now().Before(until); n++ {
		if done, err = c.made.Step(ctx); n%armingPause == 0 {
			runtime.Gosched()
		}
	}
	return done, err
}

// begin begins a check, or a second look.
func (a *arming) begin(c *check, subject *policy.Subject) {
	bindings := c.channel.rows.Bindings()
	c.subject, c.began = subject, time.Now()
	before, isArmed := a.armed.has(c.channel)
	if c.second = isArmed; isArmed {
		c.made = a.checker.BeginAgain(subject, bindings, before.covered, before.since)
		return
	}
	c.made = a.checker.Begin(subject, bindings)
}

// conclude acts on what a check has found, by answers that are at least as new as
// checked. Bindings of a table that is not published stay, as the table may be
// published one day. A join whose reply has waited for the check is answered, or
// refused.
func (a *arming) conclude(ch *channel, found diagnose.Finding, checked time.Time) {
	if reply := ch.out.deferral; reply.waits() {
		if found.Refused != nil {
			reply.refuse(protocol.Unserve(*found.Refused))
			return
		}
		if !reply.answer() {
			return
		}
	}
	switch {
	case found.Absent != nil:
		ch.rows.Idle(found.Absent)
		a.waiting.add(ch, found.Absent.TableName())
		ch.problem(protocol.StatusError, *found.Refused)
	case found.Refused != nil:
		ch.rows.Detach()
		ch.problem(protocol.StatusError, *found.Refused)
	case len(ch.rows.Bindings()) > 0: // else they were switched off meanwhile
		ch.rows.Idle(nil)
		a.armed.add(ch, found, checked)
		ch.rows.Arm()
	}
}

// learn acts on what a second look has found. Where a table is not published any more
// it is looked out for, as it may be made anew.
func (a *arming) learn(ch *channel, found diagnose.Finding) {
	mended, ok := a.armed.learn(ch, found, ch.rows.Bindings())
	if !ok {
		return
	}
	if mended { // what was committed meanwhile has not come
		ch.rows.Renew()
	} else {
		ch.rows.Again()
	}
	if found.Absent != nil {
		a.waiting.add(ch, found.Absent.TableName())
	} else {
		a.waiting.remove(ch)
	}
}
