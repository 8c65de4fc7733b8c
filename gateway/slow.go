package gateway

import (
	"context"

	"walcast/protocol"
)

// closeSlow closes a session whose client reads too slowly.
func closeSlow(s *session) {
	if s.end(endSlow, s.closing(protocol.CloseTryLater, "client reads too slowly"), true) {
		s.gateway.metrics.sent.overflows.Inc()
		s.gateway.logger.Debug("session too slow", "session", s.id, "address", s.address.String(), "queue_bytes", s.gateway.config.QueueBytes)
	}
}

// relieve closes sessions for which most waits until what waits for all has room again. No
// lock of a queue may be held.
func (g *Gateway) relieve() {
	b := g.pools.backlog
	b.relief.Lock()
	defer b.relief.Unlock()
	for s := b.largest(); s != nil; s = b.largest() {
		if s.queue.shed() {
			continue
		}
		closeSlow(s)
		if b.isOver() && s.queue.keepsMuch() {
			s.cut(endSlow) // it would keep what is being written for as long as its client has to take the close frame
		}
	}
}

// awaitRoom waits until size more bytes fit easily into a queue, its session ends
// or ctx is done.
func awaitRoom(ctx context.Context, q *queue, size int) {
	for wait := q.room(size); wait != nil; wait = q.room(size) {
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
	}
}
