package fanout

import (
	"context"

	"walcast/replication/wal"
)

// pacing is where a catch-up's delivery waits: for a processor before it matches,
// and for room in its client's queue before it sends. The zero pacing is that of a
// lane, which waits for neither.
type pacing struct {
	// compute calls match while few other catch-ups compute. After waits the
	// delivery may have to wait for something before the next call.
	compute func(match func() (waits bool))
	// pace calls send when the client has room.
	pace func(ctx context.Context, size int, send func())
	// woken gets a token when something may have been decided, or the
	// subscription has left.
	woken chan struct{}
}

// whenFree calls match, for a catch-up while few others compute.
func (p *pacing) whenFree(match func() (waits bool)) {
	if p.compute == nil {
		match()
		return
	}
	p.compute(match)
}

// signal wakes the goroutine of a catch-up.
func (p *pacing) signal() {
	if p.woken == nil {
		return
	}
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// frameSize is about how large a change's frame will be.
func frameSize(c *wal.Change) int { return 1024 + 2*c.Bytes }
