package fanout

import (
	"context"
	"sync"
)

// tasks are the goroutines of the fanout that come and go: catch-ups, and
// reading what roles may see. Those that are started before open begin with it,
// as clients may be back before the fanout runs.
type tasks struct {
	mu     sync.Mutex
	ctx    context.Context
	early  []func(context.Context)
	closed bool
	wait   sync.WaitGroup
}

func (t *tasks) open(ctx context.Context) {
	for _, run := range t.opened(ctx) {
		t.start(run)
	}
}

// opened returns what was started before open.
func (t *tasks) opened(ctx context.Context) []func(context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	early := t.early
	t.ctx, t.early = ctx, nil
	return early
}

// close waits for the goroutines. The context given to open must be done.
func (t *tasks) close() {
	t.end()
	t.wait.Wait()
}

func (t *tasks) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// start calls run in a goroutine of its own, unless the fanout is stopping.
func (t *tasks) start(run func(ctx context.Context)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ctx == nil {
		t.early = append(t.early, run)
		return
	}
	if t.closed || t.ctx.Err() != nil {
		return
	}
	ctx := t.ctx
	t.wait.Go(func() { run(ctx) })
}
