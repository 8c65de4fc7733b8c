package channels

import (
	"context"
	"errors"
	"sync"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication"
)

// arming checks bindings against the database after their join was answered,
// and tells the channel whether they work. Meanwhile they match already: what
// commits after the reply is delivered.
type arming struct {
	hub    *Hub
	tables *tableCache

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

func newArming(h *Hub, tables replication.Catalog) *arming {
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
		refused, warnings, err := a.verify(ctx, ch)
		switch {
		case err == nil && refused == "":
			for _, w := range warnings {
				ch.system(protocol.ExtensionPostgres, protocol.StatusOK, w)
			}
			ch.system(protocol.ExtensionPostgres, protocol.StatusOK, protocol.MessageSubscribed)
			return
		case err == nil:
			ch.detach()
			ch.system(protocol.ExtensionPostgres, protocol.StatusError, refused)
			return
		case ctx.Err() != nil:
			return
		}
		if !told {
			told = true
			a.hub.logger.Warn("bindings not checked", "err", err, "retry_in", armingRetry)
			ch.system(protocol.ExtensionPostgres, protocol.StatusError, protocol.MessageDatabaseAway)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(armingRetry):
		}
	}
}

// verify checks every binding. refused is the client's text when one cannot
// work; err means that the database did not answer.
func (a *arming) verify(ctx context.Context, ch *channel) (refused string, warnings []string, err error) {
	for _, b := range ch.snapshot() {
		rels, err := a.tables.published(ctx, b.spec.Schema, b.spec.Table)
		if err != nil {
			return "", nil, err
		}
		if len(rels) == 0 {
			return notPublished(b), nil, nil
		}
		for _, rel := range rels {
			refusal, err := a.verifyTable(ctx, b, rel)
			if err != nil {
				return "", nil, err
			}
			if refusal != nil {
				return refusedBy(b, refusal), nil, nil
			}
			warnings = append(warnings, warningsFor(b, rel)...)
		}
	}
	return "", warnings, nil
}

// verifyTable checks a binding against one table: the role, the columns of the
// filter and of select, and the filter's values.
func (a *arming) verifyTable(ctx context.Context, b *binding, rel *replication.Relation) (*filters.BindError, error) {
	view, err := a.hub.policy.View(ctx, rel, b.subject)
	if errors.Is(err, policy.ErrUnknownRole) {
		return &filters.BindError{SQLState: "42704", Condition: "undefined_object", Message: err.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	for _, i := range filters.Columns(rel, b.filter) {
		if !view.Columns[i] {
			return raised("invalid column for filter " + rel.Columns[i].Name), nil
		}
	}
	for _, column := range b.spec.Select {
		if i := rel.Column(column); i < 0 || !view.Columns[i] {
			return raised("invalid column for select " + column), nil
		}
	}
	_, err = filters.Resolve(ctx, rel, b.filter, a.hub.config.Locale, a.hub.config.Operators)
	var refusal *filters.BindError
	if errors.As(err, &refusal) {
		return refusal, nil
	}
	return nil, err
}

func raised(message string) *filters.BindError {
	return &filters.BindError{SQLState: "P0001", Condition: "raise_exception", Message: message}
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
