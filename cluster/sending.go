package cluster

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
)

// mostWaiting is how many bytes may wait to be sent. What comes while there are more
// is lost: whoever sends must not wait for the bus.
const mostWaiting = 32 << 20

// errFull is why a message is not sent while too much waits.
var errFull = errors.New("the cluster's bus is too slow: too much waits to be sent")

// sending is the messages that wait to be sent, in order. It is safe for concurrent
// use.
type sending struct {
	metrics *metrics
	wake    chan struct{}

	mu      sync.Mutex
	waiting []*nats.Msg
	bytes   int
}

func newSending(m *metrics) *sending { return &sending{metrics: m, wake: make(chan struct{}, 1)} }

// add has a message sent, unless too much waits. Its data must not change any more.
func (s *sending) add(m *nats.Msg) error {
	s.mu.Lock()
	isFull := s.bytes+len(m.Data) > mostWaiting
	if !isFull {
		s.waiting = append(s.waiting, m)
		s.bytes += len(m.Data)
	}
	s.mu.Unlock()
	if isFull {
		s.metrics.lost.Inc()
		return errFull
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *sending) take() []*nats.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.waiting
	s.waiting, s.bytes = nil, 0
	return all
}

// run sends until ctx is done, and then what waits still.
func (s *sending) run(ctx context.Context, conn *nats.Conn) {
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-s.wake:
		}
		for _, m := range s.take() {
			if err := conn.PublishMsg(m); err != nil {
				s.metrics.lost.Inc() // there is no connection
				continue
			}
			s.metrics.sent.Add(float64(len(m.Data)))
		}
	}
}
