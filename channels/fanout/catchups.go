package fanout

import (
	"context"
	"sync"
)

// catchups keeps account of the goroutines that bring subscriptions from an
// earlier position to a lane. What is to start before open waits for it: clients
// may be back before the fanout runs.
type catchups struct {
	mu     sync.Mutex
	ctx    context.Context
	early  []func(context.Context)
	closed bool
	wait   sync.WaitGroup
}

func (c *catchups) open(ctx context.Context) {
	for _, run := range c.opened(ctx) {
		c.start(run)
	}
}

// opened returns what came too early.
func (c *catchups) opened(ctx context.Context) []func(context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	early := c.early
	c.ctx, c.early = ctx, nil
	return early
}

// close waits for the goroutines; the context given to open must be done.
func (c *catchups) close() {
	c.end()
	c.wait.Wait()
}

func (c *catchups) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// start runs a function in a goroutine of its own, unless the fanout is stopping.
func (c *catchups) start(run func(ctx context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.early = append(c.early, run)
		return
	}
	if c.closed || c.ctx.Err() != nil {
		return
	}
	ctx := c.ctx
	c.wait.Go(func() { run(ctx) })
}
