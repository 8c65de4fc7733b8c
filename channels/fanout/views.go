package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"walcast/policy"
	"walcast/replication/wal"
)

// views reads what roles may see of tables, beside the deliveries: a lane waits a
// moment for a new state of a table, and never for a role or table for longer.
type views struct {
	fanout *Fanout
	slots  chan struct{}

	mu      sync.Mutex
	loading map[viewKey]*loading
}

// viewKey is one view.
type viewKey struct {
	relation *wal.Relation
	role     string
}

// loading is a view on its way.
type loading struct {
	done   chan struct{}
	wanted []*wanted
}

// wanted is who is to be told of a view.
type wanted struct {
	by    *delivery
	known *relation
}

// viewsAtOnce is how many views are read at once, each over a connection.
const viewsAtOnce = 2

func newViews(f *Fanout) *views {
	return &views{fanout: f, slots: make(chan struct{}, viewsAtOnce), loading: map[viewKey]*loading{}}
}

// load has a view read that a delivery is told of. What it returns is closed
// then.
func (v *views) load(d *delivery, known *relation, s *policy.Subject) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := viewKey{known.of, s.Role}
	l := v.loading[key]
	if l == nil {
		l = &loading{done: make(chan struct{})}
		v.loading[key] = l
		v.fanout.tasks.start(func(ctx context.Context) { v.read(ctx, key, s) })
	}
	for _, w := range l.wanted {
		if w.known == known {
			return l.done
		}
	}
	l.wanted = append(l.wanted, &wanted{d, known})
	return l.done
}

// read reads a view and tells who wants it.
func (v *views) read(ctx context.Context, key viewKey, s *policy.Subject) {
	select {
	case v.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	view, fault, ok := v.view(ctx, key.relation, s)
	<-v.slots
	if !ok {
		return
	}
	l := v.end(key)
	for _, w := range l.wanted {
		w.by.learned(w.known, key.role, view, fault)
	}
	close(l.done)
}

func (v *views) end(key viewKey) *loading {
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.loading[key]
	delete(v.loading, key)
	return l
}

// view is what a subject's role may see of a relation, nil for a role that nobody
// can act as. A fault is Postgres' answer that nobody can say. It asks until
// Postgres answers: a change that cannot be judged must neither be shown nor be
// lost. ok is false when ctx is done.
func (v *views) view(ctx context.Context, rel *wal.Relation, s *policy.Subject) (view *policy.View, fault error, ok bool) {
	for {
		view, err := v.fanout.policy.View(ctx, rel, s)
		var unreadable *policy.AskError
		switch {
		case err == nil:
			return view, nil, true
		case errors.Is(err, policy.ErrUnknownRole):
			return nil, nil, true
		case errors.As(err, &unreadable):
			return nil, err, true
		}
		err = fmt.Errorf("grants of role %q on %s.%s: %w", s.Role, rel.Schema, rel.Table, err)
		if !v.fanout.complaints.pause(ctx, "grants not known, changes of the table wait", err) {
			return nil, nil, false
		}
	}
}
