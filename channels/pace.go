package channels

import (
	"context"

	"walcast/replication/wal"
)

// roomy is an Outbox that says when there is room for more.
type roomy interface {
	// Room waits until size more bytes fit easily, the session ends or ctx is done.
	Room(ctx context.Context, size int)
}

// pace calls send when the client has room for about size bytes. Catch-ups come
// this way: they read what is in memory faster than any socket takes it, and
// would fill the outbox of a client that is not slow at all, each time that it
// comes back. One channel at a time, or all would use the same room. What is
// live does not wait for anybody.
func (s *Session) pace(ctx context.Context, size int, send func()) {
	out, ok := s.out.(roomy)
	if !ok {
		send()
		return
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	out.Room(ctx, size)
	send()
}

// sendPaced is sendChange at the client's pace. Called with d.mu held, which is
// given up meanwhile: others must not wait for the client.
func (d *delivery) sendPaced(ctx context.Context, change *wal.Change, matches []match) {
	d.mu.Unlock()
	d.pace(ctx, frameSize(change), func() {
		d.mu.Lock()
		d.sendChange(change, matches)
		if change.Position.Compare(d.sent.Position) > 0 {
			d.sent.Position = change.Position
		}
	})
}

// frameSize is about how large a change's frame will be.
func frameSize(change *wal.Change) int { return 1024 + 2*change.Bytes }
