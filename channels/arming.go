package channels

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// arming has the bindings of channels checked against the database after their
// join was answered, and tells the channel whether they work. Meanwhile they
// match already: what commits after the reply is delivered.
type arming struct {
	checker *diagnose.Checker
	logger  *slog.Logger
	waiting waiting // for a table to be published

	mu    sync.Mutex
	ready *sync.Cond
	queue []*channel // at most one entry for each join and refresh
}

const (
	// armingWorkers is how many channels are checked at once; each takes one
	// connection of the pool for a moment.
	armingWorkers = 2
	// armingRetry is the pause before a check that the database did not answer
	// is made again.
	armingRetry = 5 * time.Second
	// publishedEvery is how often the catalog is asked for tables that channels
	// wait for, while there are such channels. Their rows do not wait for it.
	publishedEvery = 10 * time.Second
)

func newArming(c *diagnose.Checker, logger *slog.Logger) *arming {
	a := &arming{checker: c, logger: logger, waiting: waiting{channels: map[*channel]catalog.TableName{}}}
	a.ready = sync.NewCond(&a.mu)
	return a
}

// check has the channel's bindings checked soon.
func (a *arming) check(ch *channel) {
	a.mu.Lock()
	a.queue = append(a.queue, ch)
	a.mu.Unlock()
	a.ready.Signal()
}

// run checks channels until ctx is done.
func (a *arming) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, a.ready.Broadcast)
	defer stop()
	for {
		ch := a.next(ctx)
		if ch == nil {
			return nil
		}
		a.arm(ctx, ch)
	}
}

// next waits for a channel to check; nil means that ctx is done.
func (a *arming) next(ctx context.Context) *channel {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) == 0 {
		if ctx.Err() != nil {
			return nil
		}
		a.ready.Wait()
	}
	ch := a.queue[0]
	a.queue[0] = nil
	a.queue = a.queue[1:]
	return ch
}

// arm checks one channel and tells it the outcome. While the database does not
// answer it says so once and tries again.
func (a *arming) arm(ctx context.Context, ch *channel) {
	for told := false; !ch.ended.Load(); {
		found, err := a.checker.Check(ctx, ch.access.who(), ch.rows.Bindings())
		if err == nil {
			a.conclude(ch, found)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			a.logger.Warn("bindings not checked", "err", err, "retry_in", armingRetry)
			ch.problem(protocol.StatusError, protocol.Problem{Message: protocol.MessageDatabaseAway, Code: protocol.CodeDatabaseAway})
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(armingRetry):
		}
	}
}

// conclude acts on what a check has found. Bindings of a table that is not
// published stay where they are: it may be one day.
func (a *arming) conclude(ch *channel, found diagnose.Finding) {
	switch {
	case found.Absent != nil:
		ch.rows.Idle(found.Absent)
		a.waiting.add(ch, catalog.TableName{Schema: found.Absent.Spec.Schema, Table: found.Absent.Spec.Table})
		ch.problem(protocol.StatusError, *found.Refused)
	case found.Refused != nil:
		ch.rows.Detach()
		ch.problem(protocol.StatusError, *found.Refused)
	default:
		for _, w := range found.Told() {
			ch.problem(protocol.StatusOK, w)
		}
		ch.rows.Idle(nil)
		ch.system(protocol.ExtensionPostgres, protocol.StatusOK, protocol.MessageSubscribed)
	}
}

// watch has channels checked again whose table is published by now, until ctx
// is done.
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

// recheck has a channel checked whose missing table has come.
func (a *arming) recheck(ch *channel, name catalog.TableName) {
	a.waiting.remove(ch)
	a.checker.Forget(name.Schema, name.Table)
	a.check(ch)
}
