package cluster

import (
	"context"

	"github.com/nats-io/nats.go"
)

// feedMessages is how many messages may wait between two calls of Next.
const feedMessages = 16 << 10

// Feed carries messages of many subjects. Those that one node sends by its feed come
// in their order, whatever their subjects. Next belongs to one goroutine; all else is
// safe for concurrent use.
type Feed struct {
	bus     *Bus
	sending *sending
	pending int
	arrived chan *nats.Msg

	waiting []*nats.Msg // taken from arrived by Next
	bytes   int         // of these
}

// Feed returns a feed that listens to nothing yet. Of what has come and was not taken
// by Next, more than pending bytes are lost.
func (b *Bus) Feed(pending int) *Feed {
	return &Feed{bus: b, sending: newSending(b.metrics), pending: pending, arrived: make(chan *nats.Msg, feedMessages)}
}

// Run waits until the bus can be connected to, calls ready, and sends until ctx is done;
// then it sends what waits still.
func (f *Feed) Run(ctx context.Context, ready func()) {
	select {
	case <-ctx.Done():
	case <-f.bus.linked:
		ready()
		f.sending.run(ctx, f.bus.link.Load().conn)
	}
}

// Send has a message sent to all other nodes that listen to a subject, after those that
// were sent before. It never waits. Its data must not change any more, and has the
// format number in front. After an error it is not sent: there is no connection, or too
// much waits. Without one it may be lost all the same.
func (f *Feed) Send(subject string, data []byte) error {
	l := f.bus.link.Load()
	if l == nil || !f.bus.online.Load() {
		f.bus.metrics.lost.Inc()
		return errNotConnected
	}
	return f.sending.add(&nats.Msg{Subject: l.prefix + "." + subject, Data: data})
}

// Connected reports whether there is a connection to the bus.
func (f *Feed) Connected() bool { return f.bus.online.Load() }

// Largest is how many bytes a message may have, 0 if that is not known yet.
func (f *Feed) Largest() int { return int(f.bus.largest.Load()) }

// Listen has the messages of a subject come, until stop is called. It may wait for the
// network.
func (f *Feed) Listen(subject string) (stop func(), err error) {
	l := f.bus.link.Load()
	if l == nil {
		return nil, errNotConnected
	}
	sub, err := l.conn.ChanSubscribe(l.prefix+"."+subject, f.arrived)
	if err != nil {
		return nil, err
	}
	return func() { _ = sub.Unsubscribe() }, nil // fails only on a closed connection
}

// Each calls take with each message until ctx is done. Errors of take say that a message
// cannot be read.
func (f *Feed) Each(ctx context.Context, take func(message []byte) error) {
	for {
		message, err := f.Next(ctx)
		if err != nil {
			return
		}
		if err := take(message); err != nil {
			f.bus.Unreadable(err)
		}
	}
}

// Next waits for the next message, until ctx is done.
func (f *Feed) Next(ctx context.Context) ([]byte, error) {
	if len(f.waiting) == 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case m := <-f.arrived:
			f.take(m)
		}
	}
	for range len(f.arrived) {
		f.take(<-f.arrived)
	}
	m := f.waiting[0]
	f.waiting[0] = nil
	f.waiting = f.waiting[1:]
	if len(f.waiting) == 0 {
		f.waiting = nil // after a burst its memory is given back
	}
	f.bytes -= len(m.Data)
	return m.Data, nil
}

// take keeps a message for Next, if there is room. One alone always has room.
func (f *Feed) take(m *nats.Msg) {
	f.bus.metrics.received.Add(float64(len(m.Data)))
	if f.bytes > 0 && f.bytes+len(m.Data) > f.pending {
		f.bus.failed(nats.ErrSlowConsumer)
		return
	}
	f.waiting = append(f.waiting, m)
	f.bytes += len(m.Data)
}
