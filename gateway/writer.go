package gateway

import (
	"errors"
	"os"
	"time"
)

// write sends what is queued and returns when nothing is left. enqueue and end
// start it; there is never more than one.
func (s *session) write() {
	o := s.gateway.pools.outgoing.Get().(*outgoing)
	for s.queue.take(o) {
		if err := s.send(o); err != nil {
			// A frame may have been cut, so nothing can follow, not even a close
			// frame. Closing wakes the reader, which ends the session.
			s.cut(writeCause(err))
		}
	}
	s.gateway.pools.outgoing.Put(o)
}

func (s *session) send(o *outgoing) error {
	s.transport.extendWrite(o.bytes)
	size, err := o.writeTo(s.transport.Conn, s.deflater)
	if err != nil {
		return err
	}
	m := &s.gateway.metrics.sent
	m.writes.Inc()
	m.frames.Add(float64(len(o.frames)))
	m.bytes.Add(float64(size))
	if committed := o.committed(); committed != 0 {
		m.latency.Observe(time.Since(time.Unix(0, committed)).Seconds())
	}
	if o.last { // the close frame is out; the answer must come soon
		if s.version.IsStream() {
			s.transport.closeWrite()
		}
		s.transport.endRead()
	}
	return nil
}

// writeCause tells a client that does not read from one that is gone.
func writeCause(err error) string {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return endStalled
	}
	return endGone
}
