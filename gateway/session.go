package gateway

import (
	"context"
	"net/netip"
	"sync/atomic"

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
	gateway   *Gateway
	conn      *websocket.Conn // for reading; its writes go nowhere after the handshake; nil for a stream
	transport transport
	queue     queue
	client

	deflater *deflater     // nil where the client did not agree to compression
	proof    *proof        // nil without a client_id
	stream   streamer      // nil for a WebSocket
	rates    *rates        // belongs to the reader; nil until needed
	unheard  atomic.Uint32 // visits of the keepalive since something arrived
	links    links
}

// client is what is known of a session's client from its handshake.
type client struct {
	id      channels.SessionID
	version protocol.Version
	address netip.Addr
	large   int // bytes of its handshake that count
}

// newSession makes a session that has no connection yet, and holds what is pushed
// until begin.
func newSession(g *Gateway, id channels.Identity, address netip.Addr) *session {
	s := &session{gateway: g, client: client{id.Session, id.Version, address, largeOf(&id)}, queue: queue{limit: g.config.QueueBytes, held: true, pending: pending{backlog: g.pools.backlog}}}
	s.queue.pending.session = s
	s.transport.timeouts, s.transport.ending = &g.config.Timeouts, &s.queue.ending
	// A client with a client_id loses less by being closed: it comes back, and
	// gets the broadcasts that it missed as well.
	if g.config.DropBroadcasts && id.ClientID == "" {
		s.queue.dropped = g.metrics.sent.dropped
	}
	return s
}

// begin has the session write what was pushed before it had a connection, and what
// follows. The connection must be there.
func (s *session) begin() {
	if s.queue.begin() {
		go s.write()
	}
}

// Push queues a frame. It never blocks; a full queue ends the session, since a
// slow client must not hold back the others and can come back for what it
// missed.
func (s *session) Push(f *protocol.Frame) {
	s.enqueue(f)
	if s.proof != nil {
		s.gateway.proofs.schedule(s)
	}
}

func (s *session) enqueue(f *protocol.Frame) {
	switch s.queue.push(f) {
	case pushedStart:
		go s.write()
	case pushedFull:
		closeSlow(s)
	}
	if s.gateway.pools.backlog.isOver() {
		s.gateway.relieve()
	}
}

// Room waits until size more bytes fit easily, the session ends or ctx is done.
func (s *session) Room(ctx context.Context, size int) { awaitRoom(ctx, &s.queue, size) }

// Ending reports whether the last frame is queued, after which none is.
func (s *session) Ending() bool { return s.queue.ending.Load() }

// Close sends what is queued, then a close frame, and ends the session.
func (s *session) Close(code int, reason string) {
	s.end(endChannels, s.closing(code, reason), false)
}

// drain tells the session that the server stops.
func (s *session) drain() {
	s.end(endDrain, s.closing(protocol.CloseRestart, "server is stopping"), false)
}

// end makes f the last frame and gives the client CloseTimeout to take it. It
// reports whether this was the first reason to end.
func (s *session) end(cause string, f *protocol.Frame, drop bool) bool {
	started := s.queue.end(cause, f, drop)
	switch started {
	case pushedIgnored:
		return false
	case pushedHeld: // and the connection may be given to the session at this moment
		return true
	}
	s.transport.endWrite() // a write that is under way may have been given more time
	if started == pushedStart {
		go s.write()
	}
	return true
}

// cut ends the connection at once, without a close frame.
func (s *session) cut(cause string) {
	s.queue.kill(cause)
	s.transport.cut()
}
