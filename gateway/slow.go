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
	for s := g.pools.backlog.largest(); s != nil; s = g.pools.backlog.largest() {
		if s.queue.shed() {
			continue
		}
		closeSlow(s)
		if s.queue.isWritingLargeFrame() {
			s.cut(endSlow) // which it would keep in memory for as long as its client has to take the close frame
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
