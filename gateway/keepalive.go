package gateway

import (
	"context"
	"time"

	"walcast/protocol"
)

// visits is how often a session is visited in a ping interval. It is pinged when
// it was silent for that many visits, so by a fourth of the interval late at most.
const visits = 4

// keepalive pings sessions that are silent, and tells every event stream where it
// is. It goes through the sessions one bucket at a time, so that ten thousand
// pings never leave at once, and one timer serves all. A session that stays silent
// for IdleTimeout all the same is ended by its read deadline, which extendRead sets.
type keepalive struct {
	sessions *sessions
	proofs   *proofs
	interval time.Duration // ping-interval
	ping     *protocol.Frame
}

// run visits all buckets again and again until ctx is done.
func (k *keepalive) run(ctx context.Context) error {
	step := k.interval / (visits * bucketCount)
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	began := time.Now()
	for done := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		from, to := overdue(done, int(time.Since(began)/step))
		for i := from; i < to; i++ {
			k.visit(i%bucketCount, i/bucketCount%visits == 0)
		}
		done = max(done, to)
	}
}

// overdue is the range of visits that are due by now and not done yet. It is
// found by the clock, as a busy machine drops ticks: a visit for each tick would
// ping so late that sessions end. Of what was missed, one ping interval at most is
// made up for.
func overdue(done, due int) (from, to int) {
	return max(done, due-visits*bucketCount), due
}

// visit looks after the sessions of a bucket, and after its event streams when they
// are due, which is once in a ping interval. Streams are told where they are after
// the bucket's lock is released, as Pulse may wait for locks of channels.
func (k *keepalive) visit(bucket int, streamsDue bool) {
	var streams []streamer
	k.sessions.visit(bucket, func(s *session) {
		switch {
		case s.stream == nil:
			k.check(s)
		case streamsDue:
			streams = append(streams, s.stream)
		}
	})
	for _, s := range streams {
		s.Pulse()
	}
}

// check pings a session that has been silent for a ping interval, and once more
// for each interval that passes without an answer.
func (k *keepalive) check(s *session) {
	switch n := s.unheard.Add(1); {
	case n <= visits || n%visits != 1:
	case s.proof != nil:
		k.proofs.schedule(s)
	default:
		s.Push(k.ping)
	}
}
