package fanout

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"walcast/policy"
	"walcast/replication/wal"
)

// views reads what roles may see of tables, beside the deliveries: for a new
// state of a table a lane waits only a moment.
type views struct {
	fanout *Fanout
	slots  chan struct{} // has a token for each view that is being read

	mu      sync.Mutex
	loading map[viewKey]*loading
	anew    map[viewKey]bool // those that are being read anew
}

// viewKey is what a view is of.
type viewKey struct {
	relation *wal.Relation
	role     string
}

// loading is a view that is being read.
type loading struct {
	done   chan struct{} // closed when it was read
	wanted []*wanted
}

// wanted is a delivery that is told of a view, and the table state that the
// view is for.
type wanted struct {
	by    *delivery
	table *tableState
}

// viewsAtOnce is how many views are read at once, each over a connection.
const viewsAtOnce = 2

func newViews(f *Fanout) *views {
	return &views{fanout: f, slots: make(chan struct{}, viewsAtOnce), loading: map[viewKey]*loading{}, anew: map[viewKey]bool{}}
}

// load has a view read and a delivery told of it. The channel that it returns
// is closed then.
func (v *views) load(d *delivery, table *tableState, s *policy.Subject) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := viewKey{table.relation, s.Role}
	l := v.loading[key]
	if l == nil {
		l = &loading{done: make(chan struct{})}
		v.loading[key] = l
		v.fanout.tasks.start(func(ctx context.Context) { v.read(ctx, key, s) })
	}
	for _, w := range l.wanted {
		if w.table == table {
			return l.done
		}
	}
	l.wanted = append(l.wanted, &wanted{d, table})
	return l.done
}

// readAnew has what a subject's role may see of states of a table read, however new that is
// which is known: of one it is not what it is of another. Deliveries get it as they do after a
// look at the rules.
func (v *views) readAnew(s *policy.Subject, relations ...*wal.Relation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, rel := range relations {
		key := viewKey{rel, s.Role}
		if v.anew[key] {
			continue
		}
		v.anew[key] = true
		v.fanout.tasks.start(func(ctx context.Context) {
			_, _ = v.fanout.policy.ViewWithin(ctx, rel, s, 0) // else the next look at the rules finds it
			v.mu.Lock()
			defer v.mu.Unlock()
			delete(v.anew, key)
		})
	}
}

// read reads a view and tells the deliveries that want it.
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
		w.by.learned(w.table, key.role, view, fault)
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

// view is what a subject's role may see of a relation, nil for a role that no
// one can act as. A fault is an error that Postgres gives as its answer. Other
// errors are retried until Postgres answers: a change that cannot be judged
// must neither be shown nor be lost. ok is false when ctx is done.
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
