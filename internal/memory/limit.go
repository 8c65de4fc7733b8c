package memory

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// freeSessions need nothing beside Limit.Base; each further one is expected to need
	// sessionBytes, which is twice what one takes that has joined with a token and is idle.
	freeSessions = 4096
	sessionBytes = 32 << 10
)

// Limit is how many bytes Go may have from the system before it spares no time to
// collect garbage and to give memory back: its heap, free parts of it that were not given back, and
// stacks, but not the program itself.
type Limit struct {
	Base int64 // for what the settings allow to be held, and for the first sessions
	Most int64 // what the machine has for the process, which nothing exceeds; 0 is not known
}

// Use is what the process uses, in bytes.
type Use struct {
	Live     int64 // objects that the last collection has found to be used
	Other    int64 // stacks, gaps between objects, and what the runtime needs for itself
	Sessions int
}

// For is the limit at a use. However much is alive, garbage may be a quarter of it: the
// collector takes four times as long then as it would by itself, and not all of the time.
func (l Limit) For(u Use) int64 {
	limit := l.Base + sessionBytes*int64(max(0, u.Sessions-freeSessions))
	limit = max(limit, u.Live+u.Live/4+u.Other)
	if l.Most > 0 {
		limit = min(limit, l.Most)
	}
	return limit
}

// lookEvery is how often the limit is made to fit: what is alive may grow quickly.
const lookEvery = 200 * time.Millisecond

// Run keeps the runtime's limit as For says until ctx is done, then puts it back to what it was.
// sessions is how many are open. The runtime has one limit: there is one Run at a time in a process.
func (l Limit) Run(ctx context.Context, sessions func() int) error {
	g := newGauge()
	limit := l.For(g.read(sessions()))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// Setting it stops everything for a moment.
		if now := l.For(g.read(sessions())); now > limit || now < limit-limit/16 {
			limit = now
			debug.SetMemoryLimit(limit)
		}
	}
}
