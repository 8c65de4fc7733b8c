package gateway

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
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

// begin takes the connection over and starts the stream. A refused join is known
// before, while there can still be another answer.
func (g *Gateway) begin(w http.ResponseWriter, r *http.Request, address netip.Addr, id channels.Identity, wanted subscription) *refusal {
	if !g.roster.enter() {
		return refuseStopping
	}
	s := g.newSession(id, address)
	s.stream = g.open(s, id).(streamer)
	begin, err := s.stream.Admit(r.Context(), wanted.join, wanted.Stream)
	if err != nil {
		s.stream.Close()
		g.roster.exit()
		return refuseJoin(err)
	}
	head := streamHead(w.Header(), time.Now())
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.queue.kill(endGone) // so that nothing is written
		begin()
		s.stream.Close()
		g.roster.exit()
		return refuseLost
	}
	s.net = conn
	limitSilence(conn, g.config.IdleTimeout)
	s.promise(len(head))
	// Not by the queue, which may drop what waits in it: without a head nothing
	// makes sense. There is no writer yet.
	if _, err := conn.Write(protocol.StreamHead(head, comeBack()).Wire()); err != nil {
		s.queue.kill(endGone)
	}
	g.enlist(s)
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

// comeBack is how long a client waits before it comes back: not all as long, or
// they would all come at once after a restart.
func comeBack() time.Duration { return time.Second + rand.N(2*time.Second) }

// farewell is the last frame of the session: a close frame, or what stands for
// one in a stream.
func (s *session) farewell(code int, reason string) *protocol.Frame {
	if s.stream != nil {
		return protocol.StreamEnd(code, reason, comeBack())
	}
	return protocol.CloseFrame(code, reason)
}

// maxUnasked is how much a client may send that has nothing to say.
const maxUnasked = 4 << 10

// watch waits until the client has gone, which it says by closing the connection,
// or the writer has found out. It ends the stream as run does a WebSocket.
func (s *session) watch() {
	var b [64]byte
	for heard := 0; heard < maxUnasked; {
		n, err := s.net.Read(b[:])
		if err != nil {
			break
		}
		heard += n
	}
	s.queue.kill(endGone)
	_ = s.net.Close()
	s.queue.wait()
	s.stream.Close()
	s.gateway.leave(s)
}

// endStream tells the client of a stream that nothing follows.
func (s *session) endStream() {
	if s.stream == nil {
		return
	}
	if w, ok := s.net.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}
