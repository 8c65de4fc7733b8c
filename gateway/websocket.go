package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"time"

	"github.com/gorilla/websocket"

	"walcast/channels"
	"walcast/internal/heavy"
	"walcast/protocol"
)

// introduce makes the session known to the hub, which may push to it and end it
// from here on: the queue holds that until there is a connection.
func (s *session) introduce(id channels.Identity) conversation {
	c := s.gateway.open(s, id)
	if p, ok := c.(prover); ok && id.ClientID != "" {
		s.proof = &proof{prover: p}
	}
	return c
}

// open prepares the connection for the reader, and lets the writer have it.
func (s *session) open() {
	limitFrames(s.conn, s.gateway.config.MaxFrame)
	s.handleControl()
	s.received()
	s.begin()
}

// run reads and handles messages until reading fails, then ends the session. The
// connection is closed before its channels: a client that returns quickly must
// not be seen twice.
//
// The HTTP handler returns meanwhile: its goroutine and its request weigh more than
// a session. The goroutine of every idle session waits here. Its stack has to stay below
// 1,248 bytes, or the collector leaves it at 8 KB once a message has made it
// grow: few variables, and no function between this one and NextReader.
func (s *session) run(ctx context.Context, c conversation) {
	for {
		kind, r, err := s.conn.NextReader()
		if err == nil {
			err = s.message(ctx, c, r, kind == websocket.BinaryMessage)
		}
		if err != nil {
			s.finish(err)
			break
		}
	}
	c.Close()
	s.gateway.leave(s)
}

// message reads one message to its end and hands it on. Malformed ones are
// counted and dropped, as upstream does.
func (s *session) message(ctx context.Context, c conversation, r io.Reader, binary bool) error {
	// Borrowed only now: while a session is silent it holds no buffer.
	b := s.gateway.pools.buffers.Get().(*bytes.Buffer)
	defer s.gateway.pools.returnBuffer(b)
	if err := readFrame(b, r, s.gateway.config.MaxFrame); err != nil {
		return err
	}
	s.received()
	metrics := &s.gateway.metrics.received
	metrics.messages.Inc()
	metrics.bytes.Add(float64(b.Len()))
	if s.queue.ending.Load() {
		return nil
	}
	m, err := s.decode(b.Bytes(), binary)
	if err != nil {
		metrics.malformed.Inc()
	}
	if !s.exceeds(m, err == nil, b.Len()) && err == nil {
		c.Handle(ctx, m)
	}
	if s.rates != nil && s.rates.hadTurn(b.Len()) {
		runtime.Gosched()
	}
	return nil
}

// decode reads a message. Large ones are read in turns: what is live must find a
// processor.
func (s *session) decode(message []byte, binary bool) (m protocol.Message, err error) {
	s.gateway.pools.heavy.If(len(message) >= heavy.Bytes, func() { m, err = s.version.Decode(message, binary) })
	return m, err
}

// received notes that something arrived.
func (s *session) received() {
	s.unheard.Store(0)
	s.transport.extendRead()
}

// exceeds counts a message of size bytes and reports whether it is above the
// session's rate and was dealt with: answered with an error where it can be, or,
// after many, by closing the session. Heartbeats count, but are not refused: an
// unanswered one makes the client think that the server is gone.
func (s *session) exceeds(m protocol.Message, readable bool, size int) bool {
	if c := &s.gateway.config; c.MessagesPerSecond == 0 && c.BytesPerSecond == 0 && c.JoinsPerSecond == 0 {
		return false
	}
	if s.rates == nil {
		s.rates = newRates(&s.gateway.config)
	}
	limit, refusal := s.rates.take(time.Now(), size, readable && m.Event == protocol.EventJoin)
	if limit == "" {
		return false
	}
	s.gateway.Limited(limit)
	switch {
	case !s.rates.refusals.Allow():
		s.end(endFlood, protocol.CloseFrame(protocol.ClosePolicy, refusal.Text), true)
	case readable && m.Topic == protocol.TopicPhoenix && m.Event == protocol.EventHeartbeat:
		return false
	case readable && !m.Ref.IsNull():
		response := protocol.Reason(refusal)
		if m.Event == protocol.EventBroadcast {
			response = protocol.Unacknowledged(refusal)
		}
		s.Push(s.version.ReplyTo(m, m.JoinRef, protocol.StatusError, response))
	}
	return true
}

// handleControl answers pings and close frames through the queue, as everything
// that is sent.
func (s *session) handleControl() {
	s.conn.SetPingHandler(func(data string) error {
		s.received()
		s.Push(protocol.Pong([]byte(data)))
		return nil
	})
	s.conn.SetPongHandler(func(payload string) error {
		s.received()
		if s.proof != nil {
			s.proof.Proven(payload)
		}
		return nil
	})
	s.conn.SetCloseHandler(func(code int, _ string) error {
		s.end(endClient, protocol.CloseFrame(code, ""), true)
		return nil
	})
}

// finish brings the connection to its end after reading failed with err.
func (s *session) finish(err error) {
	cause, code := readCause(err)
	if code != 0 {
		s.end(cause, protocol.CloseFrame(code, ""), false)
	}
	if cause != endGone {
		s.queue.wait() // not longer than CloseTimeout: that is the write deadline by now
	}
	if cause == endTooBig || cause == endBroken {
		s.transport.linger()
	}
	s.queue.kill(cause)
	_ = s.transport.Close()
	s.queue.wait()
}

// readCause says why reading failed, and with which code to close; 0 where the
// client is gone or the close frame is queued already.
func readCause(err error) (cause string, code int) {
	var closed *websocket.CloseError
	var network net.Error
	switch {
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return endClient, 0
	case errors.Is(err, websocket.ErrReadLimit):
		return endTooBig, protocol.CloseTooBig
	case errors.As(err, &network) && network.Timeout():
		return endIdle, protocol.CloseNormal
	case errors.As(err, &network), errors.As(err, &closed), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return endGone, 0
	}
	return endBroken, protocol.CloseProtocolError
}
