package gateway

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"walcast/channels"
	"walcast/protocol"
)

// streamer is a conversation with an event stream: one join, decided before the
// stream begins, and nothing from the client afterwards.
type streamer interface {
	conversation
	// Admit decides on the join; begin answers it and has everything follow.
	Admit(ctx context.Context, m protocol.Message, wanted channels.Stream) (begin func(), err error)
	// Pulse says that the stream is alive, and where it is.
	Pulse()
}

// serveStream answers a request for an event stream (Server-Sent Events). Once
// it has begun, it is a session like those of WebSockets.
func (g *Gateway) serveStream(w http.ResponseWriter, r *http.Request) {
	g.connect(r, func(address netip.Addr) *rejection { return g.admitStream(w, r, address) },
		func(rejected *rejection) { rejected.write(w) })
}

// admitStream begins a stream, or says why not.
func (g *Gateway) admitStream(w http.ResponseWriter, r *http.Request, address netip.Addr) *rejection {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return rejectStream
	}
	if !g.config.allowsOrigin(r) {
		return rejectOrigin
	}
	id, rejected := g.identifyStream(r, time.Now())
	if rejected != nil {
		return rejected
	}
	query, err := readStreamQuery(r.URL.Query(), r.Header)
	if err != nil {
		return rejectJoin(err)
	}
	id.Version = query.version
	if rejected := g.limits.admit(address, largeOf(&id)); rejected != nil {
		return rejected
	}
	if rejected := g.begin(w, r, address, id, query); rejected != nil {
		g.limits.release(address, largeOf(&id))
		return rejected
	}
	return nil
}

// identifyStream reads the client's token from the request. The query says which
// version the stream has. A stream goes on by Last-Event-ID instead of a client_id.
func (g *Gateway) identifyStream(r *http.Request, now time.Time) (channels.Identity, *rejection) {
	token, given := streamToken(r)
	claims, err := g.verifier.Verify(token, now)
	if err != nil {
		return channels.Identity{}, rejectToken(err, given)
	}
	return channels.Identity{
		Token: strings.Clone(token), Claims: claims, Session: channels.NewSessionID(),
		Headers: captured(r.Header),
	}, nil
}

// begin takes the connection over and starts the stream. A refused join is known
// before, while there can still be another answer.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request, address netip.Addr, id channels.Identity, q streamQuery) *rejection {
	if rejected := g.sessions.reserve(); rejected != nil {
		return rejected
	}
	s := newSession(g, id, address)
	s.stream = g.open(s, id).(streamer)
	begin, err := s.stream.Admit(r.Context(), q.join, q.Stream)
	if err != nil {
		s.stream.Close()
		g.sessions.release()
		return rejectJoin(err)
	}
	head := streamHead(w.Header(), time.Now())
	conn, _, err := hijack(w)
	if err != nil {
		s.queue.kill(endGone) // so that nothing is written
		begin()
		s.stream.Close()
		g.sessions.release()
		return rejectLost
	}
	s.transport.Conn = conn
	setUserTimeout(conn, g.config.IdleTimeout)
	boundUnsent(conn)
	s.transport.extendWrite(len(head))
	// The head does not go through the queue, which may drop what waits in it:
	// without a head nothing makes sense. There is no writer before s.begin.
	if _, err := conn.Write(protocol.StreamHead(head, reconnectDelay()).Wire()); err != nil {
		s.queue.kill(endGone)
	}
	s.begin()
	g.enlist(s, id)
	begin()
	go s.watch()
	return nil
}

// streamHead is the head of the response: no length and no chunks, it ends with
// its connection. Proxies are asked not to hold anything back.
func streamHead(h http.Header, now time.Time) []byte {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
	h.Set("Connection", "close")
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", http.StatusOK, http.StatusText(http.StatusOK))
	_ = h.Write(&b) // a buffer takes everything
	b.WriteString("\r\n")
	return b.Bytes()
}

// reconnectDelay is how long a client waits before it comes back: not all as long,
// or they would all come at once after a restart.
func reconnectDelay() time.Duration { return time.Second + rand.N(2*time.Second) }

// closing is the last frame of the session: a close frame, or what stands for
// one in a stream.
func (s *session) closing(code int, reason string) *protocol.Frame {
	if s.version.IsStream() {
		return s.version.StreamEnd(code, reason, reconnectDelay())
	}
	return protocol.CloseFrame(code, reason)
}

// maxUnasked is how many bytes the client of a stream may send, though nothing that
// it says has a meaning.
const maxUnasked = 4 << 10

// watch waits until the client has gone, which it says by closing the connection,
// or the writer has found out. It ends the stream as run does a WebSocket.
func (s *session) watch() {
	var b [64]byte
	for heard := 0; heard < maxUnasked; {
		n, err := s.transport.Read(b[:])
		if err != nil {
			break
		}
		heard += n
	}
	s.queue.kill(endGone)
	_ = s.transport.Close()
	s.queue.wait()
	s.stream.Close()
	s.gateway.leave(s)
}
