package gateway

import (
	"context"
	"time"

	"walcast/protocol"
)

// keepalive pings sessions from which nothing arrived since its last round, and
// tells every event stream where it is. It goes through the sessions one bucket at
// a time, so that ten thousand pings never leave at once, and one timer serves all.
type keepalive struct {
	sessions *sessions
	proofs   *proofs
	interval time.Duration // of a round
	ping     *protocol.Frame
}

// run goes round until ctx is done.
func (k *keepalive) run(ctx context.Context) error {
	ticker := time.NewTicker(k.interval / bucketCount)
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % bucketCount {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			k.visit(i)
		}
	}
}

// visit pings the sessions of a bucket. Event streams are told where they are
// after the bucket's lock is released: a session may have to wait for the lock of
// those who write to it.
func (k *keepalive) visit(bucket int) {
	var streams []streamer
	k.sessions.visit(bucket, func(s *session) {
		if s.stream != nil {
			streams = append(streams, s.stream)
			return
		}
		k.check(s)
	})
	for _, s := range streams {
		s.Pulse()
	}
}

func (k *keepalive) check(s *session) {
	switch {
	case s.heard.Swap(false):
	case s.proof != nil:
		k.proofs.schedule(s)
	default:
		s.Push(k.ping)
	}
}
