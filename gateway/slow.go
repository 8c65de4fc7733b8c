package gateway

import (
	"context"

	"walcast/protocol"
)

// overflow closes a session whose client reads too slowly.
func (s *session) overflow() {
	if s.end(endSlow, s.closing(protocol.CloseTryLater, "client reads too slowly"), true) {
		s.gateway.metrics.sent.overflows.Inc()
		s.gateway.logger.Debug("session too slow", "session", s.id, "address", s.address.String(), "queue_bytes", s.gateway.config.QueueBytes)
	}
}

// Room waits until size more bytes fit easily, the session ends or ctx is done.
func (s *session) Room(ctx context.Context, size int) {
	for wait := s.queue.room(size); wait != nil; wait = s.queue.room(size) {
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
	}
}
