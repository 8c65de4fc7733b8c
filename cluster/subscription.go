package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// subjectBeat is the subject of beats, behind the prefix of the cluster.
const subjectBeat = "beat"

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

// subscription is the messages of a subject. Its methods belong to one goroutine.
type subscription struct {
	bus *Bus
	sub *nats.Subscription
}

// subscribe returns the messages of a subject that come from now on. Where more than
// pending bytes wait, further ones are lost.
func (b *Bus) subscribe(subject string, pending int) (*subscription, error) {
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
	return &subscription{b, sub}, nil
}

// next waits for the next message, until ctx is done.
func (s *subscription) next(ctx context.Context) ([]byte, error) {
	for {
		m, err := s.sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrSlowConsumer): // some were lost, and counted
			continue
		case err != nil:
			return nil, err
		}
		s.bus.metrics.received.Add(float64(len(m.Data)))
		return m.Data, nil
	}
}
