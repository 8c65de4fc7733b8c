package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// The subjects, behind the prefix of the cluster.
const (
	subjectBeat = "beat"
	subjectAsk  = "ask" // the run of the node that is asked follows
	// SubjectWAL is that of what the reader has read.
	SubjectWAL = "wal"
)

// errNotConnected is why nothing is sent before Run has connected.
var errNotConnected = errors.New("the cluster's bus is not connected")

// publish sends at once.
func (b *Bus) publish(subject string, data []byte) error {
	l := b.link.Load()
	if l == nil {
		return errNotConnected
	}
	return l.conn.Publish(l.prefix+"."+subject, data)
}

// Subscription is the messages of a subject. Its methods belong to one goroutine.
type Subscription struct {
	bus *Bus
	sub *nats.Subscription
}

// Subscribe returns the messages of a subject that come from now on. Where more than
// pending bytes wait, further ones are lost. Close ends it.
func (b *Bus) Subscribe(subject string, pending int) (*Subscription, error) {
	l := b.link.Load()
	if l == nil {
		return nil, errNotConnected
	}
	sub, err := l.conn.SubscribeSync(l.prefix + "." + subject)
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s of the cluster's bus: %w", subject, err)
	}
	if err := sub.SetPendingLimits(-1, pending); err != nil {
		return nil, fmt.Errorf("limit what waits of %s: %w", subject, err)
	}
	_ = l.conn.FlushTimeout(connectLimit) // without a connection it is told when there is one
	return &Subscription{b, sub}, nil
}

// Next waits for the next message, until ctx is done.
func (s *Subscription) Next(ctx context.Context) ([]byte, error) {
	m, err := s.next(ctx)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

func (s *Subscription) next(ctx context.Context) (*nats.Msg, error) {
	for {
		m, err := s.sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrSlowConsumer): // some were lost, and counted
			continue
		case err != nil:
			return nil, err
		}
		s.bus.metrics.received.Add(float64(len(m.Data)))
		return m, nil
	}
}

// Waiting is how many bytes wait to be taken.
func (s *Subscription) Waiting() int {
	_, bytes, err := s.sub.Pending()
	if err != nil {
		return 0 // it has ended
	}
	return bytes
}

// Close ends the subscription.
func (s *Subscription) Close() { _ = s.sub.Unsubscribe() } // fails only on a closed connection
