package channels

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// arming checks bindings against the database after their join was answered,
// and tells the channel whether they work. Meanwhile they match already: what
// commits after the reply is delivered.
type arming struct {
	hub       *Hub
	tables    *tableCache
	absentees absentees

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
)

func newArming(h *Hub, tables catalog.Catalog) *arming {
	a := &arming{hub: h, tables: newTableCache(tables)}
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
		a.settle(ctx, ch)
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

// settle checks one channel and tells it the outcome. While the database does
// not answer it says so once and tries again.
func (a *arming) settle(ctx context.Context, ch *channel) {
	for told := false; !ch.ended.Load(); {
		found, err := a.verify(ctx, ch)
		if err == nil {
			a.conclude(ch, found)
			return
		}
		if ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			a.hub.logger.Warn("bindings not checked", "err", err, "retry_in", armingRetry)
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
func (a *arming) conclude(ch *channel, found finding) {
	switch {
	case found.absent != nil:
		ch.idle(found.absent)
		a.absentees.add(ch, found.absent)
		ch.problem(protocol.StatusError, *found.refused)
	case found.refused != nil:
		ch.detach()
		ch.problem(protocol.StatusError, *found.refused)
	default:
		for _, w := range found.told() {
			ch.problem(protocol.StatusOK, w)
		}
		ch.idle(nil)
		ch.system(protocol.ExtensionPostgres, protocol.StatusOK, protocol.MessageSubscribed)
	}
}

// finding is what a check of a channel's bindings came to.
type finding struct {
	refused  *protocol.Problem // why none of the bindings is active
	absent   *binding          // the one without a published table, if that is why
	warnings []protocol.Problem
}

// warningsTold is how many warnings a channel gets: a binding with wildcards may
// have some for each of many tables.
const warningsTold = 10

// told is which warnings the client gets, each once.
func (f finding) told() (told []protocol.Problem) {
	for i, w := range f.warnings {
		if slices.Index(f.warnings, w) == i && len(told) < warningsTold {
			told = append(told, w)
		}
	}
	return told
}

// verify checks every binding, until one cannot work. An error means that the
// database did not answer.
func (a *arming) verify(ctx context.Context, ch *channel) (found finding, err error) {
	for _, b := range ch.snapshot() {
		tables, err := a.tables.published(ctx, b.spec.Schema, b.spec.Table)
		if err != nil {
			return found, err
		}
		if len(tables.relations) == 0 {
			found.absent, found.refused = b, unpublished(b, tables.absence)
			return found, nil
		}
		for _, rel := range tables.relations {
			warnings, refused, err := a.verifyTable(ctx, b, rel)
			if err != nil || refused != nil {
				found.refused = refused
				return found, err
			}
			found.warnings = append(found.warnings, warnings...)
		}
	}
	return found, nil
}

// verifyTable checks a binding against one table: the role, the columns of the
// filter and of select, and the filter's values.
func (a *arming) verifyTable(ctx context.Context, b *binding, rel *wal.Relation) (warnings []protocol.Problem, refused *protocol.Problem, err error) {
	view, err := a.hub.policy.ViewWithin(ctx, rel, b.subject, a.tables.believed)
	if errors.Is(err, policy.ErrUnknownRole) {
		return nil, unknownRole(b, err), nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, i := range filters.Columns(rel, b.filter) {
		if !view.Columns[i] {
			return nil, unusableColumn(b, "filter", rel.Columns[i].Name, rel, true), nil
		}
	}
	for _, column := range b.spec.Select {
		if i := rel.Column(column); i < 0 || !view.Columns[i] {
			refused, err = a.lacking(ctx, b, "select", column, rel)
			return nil, refused, err
		}
	}
	_, err = filters.Resolve(ctx, rel, b.filter, a.hub.config.Locale, a.hub.config.Operators)
	var refusal *filters.BindError
	if !errors.As(err, &refusal) {
		return warningsFor(b, rel, view), nil, err
	}
	if column := refusal.Lacks; column != "" {
		refused, err = a.lacking(ctx, b, "filter", column, rel)
		return nil, refused, err
	}
	return nil, unusable(b, refusal), nil
}

// lacking is the refusal of a binding for a column that cannot be used.
func (a *arming) lacking(ctx context.Context, b *binding, use, column string, rel *wal.Relation) (*protocol.Problem, error) {
	exists, err := a.tables.catalog.HasColumn(ctx, rel.OID, column)
	if err != nil {
		return nil, err
	}
	return unusableColumn(b, use, column, rel, exists), nil
}

// snapshot copies the bindings as they are; none when they are matched nowhere.
func (c *channel) snapshot() []*binding {
	place := c.lockPlace()
	if place == nil {
		return nil
	}
	defer place.mu.Unlock()
	return append([]*binding(nil), c.bindings...)
}
