package channels

import (
	"context"
	"log/slog"
	"time"

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
	waiting waiting // channels whose table is not published
	turns   *turns
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
	// armingRetry is the pause before a check is made again that the database
	// did not answer.
	armingRetry = 5 * time.Second
	// publishedEvery is how often the catalog is asked for tables that channels
	// wait for, while there are such channels. Their rows do not wait for it.
	publishedEvery = 10 * time.Second
)

func newArming(c *diagnose.Checker, p *policy.Policy, logger *slog.Logger) *arming {
	return &arming{checker: c, policy: p, logger: logger, waiting: waiting{channels: map[*channel]catalog.TableName{}}, turns: newTurns()}
}

// check has the channel's bindings checked soon.
func (a *arming) check(ch *channel) { a.turns.add(ch) }

// run checks channels until ctx is done.
func (a *arming) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, a.turns.wake)
	defer stop()
	for {
		own, first := a.turns.next(ctx)
		if own == nil {
			return nil
		}
		a.take(ctx, own, first)
	}
}

// take continues the first check of a turn. If the database does not answer, it
// tells the client once, and has other sessions' bindings checked meanwhile.
func (a *arming) take(ctx context.Context, own *turn, c *check) {
	if c.channel.ended.Load() {
		a.turns.end(own)
		return
	}
	done, err := a.goOn(ctx, c)
	switch {
	case err != nil && ctx.Err() == nil:
		waits := c.channel.out.deferral.waits()
		if waits {
			c.channel.out.deferral.miss()
		}
		if !waits && !c.away {
			c.away = true
			a.logger.Warn("bindings not checked", "err", err, "retry_in", armingRetry)
			// A warning: the bindings match already, and nothing that commits is lost.
			away := protocol.Problem{Message: protocol.MessageDatabaseAway, Code: protocol.CodeDatabaseAway}
			c.channel.problem(protocol.StatusOK, away.Warning())
		}
		a.turns.postpone(own, armingRetry)
	case !done:
		a.turns.goOn(own)
	case a.turns.end(own):
		a.conclude(c.channel, c.made.Finding())
	}
}

// goOn makes some steps of a check, over one of the connections for joins.
func (a *arming) goOn(ctx context.Context, c *check) (done bool, err error) {
	subject := c.channel.access.acting()
	if subject == nil { // the channel has ended
		c.made = a.checker.Begin(nil, nil)
	} else if c.made == nil || c.subject != subject {
		c.made, c.subject = a.checker.Begin(subject, c.channel.rows.Bindings()), subject
	}
	release, err := a.policy.Join(ctx, subject)
	if err != nil {
		return false, err
	}
	defer release()
	until := time.Now().Add(armingTime)
	for n := 0; n < armingSteps && !done && err == nil && time.Now().Before(until); n++ {
		done, err = c.made.Step(ctx)
	}
	return done, err
}

// conclude acts on what a check has found. Bindings of a table that is not
// published stay, as the table may be published one day. A join whose reply has
// waited for the check is answered, or refused.
func (a *arming) conclude(ch *channel, found diagnose.Finding) {
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
		a.waiting.add(ch, catalog.TableName{Schema: found.Absent.Spec.Schema, Table: found.Absent.Spec.Table})
		ch.problem(protocol.StatusError, *found.Refused)
	case found.Refused != nil:
		ch.rows.Detach()
		ch.problem(protocol.StatusError, *found.Refused)
	default:
		for _, w := range found.Warnings {
			ch.problem(protocol.StatusOK, w)
		}
		ch.rows.Idle(nil)
		ch.system(protocol.ExtensionPostgres, protocol.StatusOK, protocol.MessageSubscribed)
	}
}

// watch looks, until ctx is done, for tables that are published by now, and has
// the channels that wait for them checked again.
func (a *arming) watch(ctx context.Context) error {
	ticker := time.NewTicker(publishedEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if a.waiting.any() {
			a.look(ctx)
		}
	}
}

// look asks which tables are published now.
func (a *arming) look(ctx context.Context) {
	published, err := a.checker.Published(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.logger.Warn("published tables not known", "err", err, "retry_in", publishedEvery)
		}
		return
	}
	for ch, name := range a.waiting.found(published) {
		a.recheck(ch, name)
	}
}

// recheck has a channel checked again whose missing table is published by now.
func (a *arming) recheck(ch *channel, name catalog.TableName) {
	a.waiting.remove(ch)
	a.checker.Forget(name.Schema, name.Table)
	a.check(ch)
}
