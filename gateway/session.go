package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"walcast/channels"
	"walcast/protocol"
)

// Why sessions end: the values of the reason label of
// walcast_gateway_closed_total. The first reason of a session counts.
const (
	endClient   = "client"    // the client sent a close frame
	endGone     = "gone"      // the connection ended without one
	endIdle     = "idle"      // nothing arrived for IdleTimeout
	endTooBig   = "too_big"   // a message above MaxFrame
	endBroken   = "protocol"  // not WebSocket
	endSlow     = "slow"      // the outbound queue was full
	endStalled  = "stalled"   // a write made no headway for WriteTimeout
	endFlood    = "flood"     // went on sending above its rate
	endDrain    = "drain"     // the server stops
	endChannels = "channels"  // the hub closed it
	endCut      = "drain_cut" // still there when DrainTimeout was over
)

// conversation is what channels makes of a session. Both methods belong to the
// goroutine that reads the socket.
type conversation interface {
	Handle(ctx context.Context, m protocol.Message)
	Close()
}

// session is one client's WebSocket connection, or event stream: a goroutine that
// reads, a queue, and a writer while the queue holds something.
type session struct {
	gateway *Gateway
	conn    *websocket.Conn // for reading; its writes go nowhere after the handshake; nil for a stream
	net     net.Conn
	version protocol.Version
	queue   queue

	deflater *deflater // nil where the client did not agree to compression
	proof    *proof    // nil without a client_id
	stream   streamer  // nil for a WebSocket

	heard    atomic.Bool // something arrived since the last visit of the keepalive
	renewed  time.Time   // when the read deadline was last set; the reader's own
	promised int64       // when the write deadline was, Unix seconds; the writer's own
	pace     *pace       // the reader's own; nil until needed
	address  netip.Addr

	next, prev *session // in its slot of the roster
	slot       uint8
}

// Push queues a frame. It never blocks; a full queue ends the session, since a
// slow client must not hold back the others and can come back for what it
// missed.
func (s *session) Push(f *protocol.Frame) {
	s.enqueue(f)
	if s.proof != nil {
		s.gateway.proofs.note(s)
	}
}

func (s *session) enqueue(f *protocol.Frame) {
	switch s.queue.push(f) {
	case pushedStart:
		go s.write()
	case pushedFull:
		s.overflow()
	}
}

// Close sends what is queued, then a close frame, and ends the session.
func (s *session) Close(code int, reason string) {
	s.end(endChannels, s.farewell(code, reason), false)
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

func (s *session) overflow() {
	if s.end(endSlow, s.farewell(protocol.CloseTryLater, "client reads too slowly"), true) {
		s.gateway.metrics.overflows.Inc()
		s.gateway.logger.Debug("session too slow", "address", s.address.String(), "queue_bytes", s.gateway.config.QueueBytes)
	}
}

// end makes f the last frame and gives the client CloseTimeout to take it. It
// reports whether this was the first reason to end.
func (s *session) end(cause string, f *protocol.Frame, drop bool) bool {
	started := s.queue.end(cause, f, drop)
	if started == pushedIgnored {
		return false
	}
	// A write that is under way may have been promised more time.
	_ = s.net.SetWriteDeadline(time.Now().Add(s.gateway.config.CloseTimeout))
	if started == pushedStart {
		go s.write()
	}
	return true
}

// open makes the session known and starts its reader. The HTTP handler must
// return soon after: its goroutine and its request weigh more than a session.
func (s *session) open(ctx context.Context, id channels.Identity) {
	g := s.gateway
	s.conn.SetReadLimit(g.config.MaxFrame)
	s.handleControl()
	s.renew()
	c := g.open(s, id)
	if p, ok := c.(prover); ok && id.ClientID != "" {
		s.proof = &proof{prover: p}
	}
	g.enlist(s)
	go s.run(ctx, c)
}

// run reads and handles messages until reading fails, then ends the session. The
// connection is closed before its channels: a client that returns quickly must
// not be seen twice.
//
// The stack of every idle session ends here. It has to stay below 1,248 bytes,
// or the collector leaves it at 8 KB once a message has made it grow: few
// variables, and no function in between.
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
// counted and dropped, as upstream does (wire reference 2.6).
func (s *session) message(ctx context.Context, c conversation, r io.Reader, binary bool) error {
	// Borrowed only now: while a session is silent it holds no buffer.
	b := s.gateway.buffers.Get().(*bytes.Buffer)
	defer s.gateway.giveBack(b)
	limit := s.gateway.config.MaxFrame
	if _, err := b.ReadFrom(io.LimitReader(r, limit+1)); err != nil {
		return err
	}
	if int64(b.Len()) > limit { // only compressed ones come this far
		return websocket.ErrReadLimit
	}
	s.renew()
	s.gateway.metrics.received.Inc()
	s.gateway.metrics.receivedB.Add(float64(b.Len()))
	if s.queue.ending.Load() {
		return nil
	}
	m, err := s.version.Decode(b.Bytes(), binary)
	if err != nil {
		s.gateway.metrics.malformed.Inc()
	}
	if s.exceeds(m, err == nil, b.Len()) || err != nil {
		return nil
	}
	c.Handle(ctx, m)
	return nil
}

// renew notes that something arrived. A message must be complete within
// IdleTimeout of the one before, so one that dribbles in does not last either.
func (s *session) renew() {
	s.heard.Store(true)
	now := time.Now()
	if now.Sub(s.renewed) < min(time.Second, s.gateway.config.IdleTimeout/8) {
		return // setting a deadline costs more than the rest of a small message
	}
	s.renewed = now
	_ = s.net.SetReadDeadline(now.Add(s.gateway.config.IdleTimeout))
	if s.queue.ending.Load() { // after the deadline: whoever ends sets it the other way round
		_ = s.net.SetReadDeadline(now.Add(s.gateway.config.CloseTimeout))
	}
}

// handleControl answers pings and close frames through the queue, as everything
// that is sent.
func (s *session) handleControl() {
	s.conn.SetPingHandler(func(data string) error {
		s.renew()
		s.Push(protocol.Pong([]byte(data)))
		return nil
	})
	s.conn.SetPongHandler(func(payload string) error {
		s.renew()
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
	cause, code := diagnose(err)
	if code != 0 {
		s.end(cause, protocol.CloseFrame(code, ""), false)
	}
	if cause != endGone {
		s.queue.wait() // not longer than CloseTimeout: that is the write deadline by now
	}
	if cause == endTooBig || cause == endBroken {
		s.linger()
	}
	s.queue.kill(cause)
	_ = s.net.Close()
	s.queue.wait()
}

// cut ends the connection at once, without a word: TLS would try to say goodbye
// first, to a client that is not listening.
func (s *session) cut(cause string) {
	s.queue.kill(cause)
	if t, ok := s.net.(*tls.Conn); ok {
		_ = t.NetConn().Close()
		return
	}
	_ = s.net.Close()
}

// linger reads on for a moment after the last frame: closing with unread bytes
// resets the connection, and the client would never see why it was closed.
func (s *session) linger() {
	if w, ok := s.net.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
	_ = s.net.SetReadDeadline(time.Now().Add(s.gateway.config.CloseTimeout))
	_, _ = io.Copy(io.Discard, s.net)
}

// diagnose says why reading failed, and with which code to close; 0 where
// nobody is there to read it or the frame is queued already.
func diagnose(err error) (cause string, code int) {
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
