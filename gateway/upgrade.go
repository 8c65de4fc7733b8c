package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"walcast/channels"
)

// maxClientID bounds the client_id parameter; a UUID has 36 bytes.
const maxClientID = 128

// upgrade answers a WebSocket handshake.
func (g *Gateway) upgrade(sessions context.Context, w http.ResponseWriter, r *http.Request) {
	g.connect(r, func(address netip.Addr) *rejection { return g.admit(sessions, w, r, address) },
		func(rejected *rejection) { g.answerHandshake(w, r, rejected) })
}

// answerHandshake answers a handshake that is rejected.
func (g *Gateway) answerHandshake(w http.ResponseWriter, r *http.Request, rejected *rejection) {
	if rejected.code != 0 && wantsFrames(r) && handshakeFault(r.Header) == "" &&
		sayFarewell(&g.upgrader, g.config.CloseTimeout, w, r, rejected) {
		return
	}
	rejected.write(w)
}

// connect answers a request for a session. A rejection is answered at once, unless
// the address has had many.
func (g *Gateway) connect(r *http.Request, admit func(netip.Addr) *rejection, answer func(*rejection)) {
	start := time.Now()
	address := g.config.clientAddress(r)
	if rejected := g.inTurn(r, func() *rejection { return admit(address) }); rejected != nil {
		g.metrics.sessions.refused.WithLabelValues(rejected.label).Inc()
		if rejected == rejectSessions || rejected == rejectAddress || rejected == rejectLarge {
			g.Limited(rejected.label)
		}
		if rejected.failed {
			if rejected == rejectLarge {
				clear(r.Header) // it is what is too much
			}
			g.failures.pause(r.Context(), g.failures.note(address, start))
		}
		answer(rejected)
	}
	g.metrics.sessions.handshakes.Observe(time.Since(start).Seconds())
}

// inTurn admits large handshakes one after the other: no token of an ordinary size
// takes as long to verify, and thousands at once would keep all else from running.
func (g *Gateway) inTurn(r *http.Request, admit func() *rejection) *rejection {
	size := size(r)
	if size <= ordinaryHandshake {
		return admit()
	}
	if !g.limits.line(size) {
		return rejectLarge
	}
	defer g.limits.leaveLine(size)
	select {
	case g.pools.large <- struct{}{}:
	case <-r.Context().Done():
		return rejectLost
	}
	defer func() { <-g.pools.large }()
	return admit()
}

// size is how large the head of a request is, nearly.
func size(r *http.Request) (n int) {
	n = len(r.RequestURI)
	for name, values := range r.Header {
		for _, value := range values {
			n += len(name) + len(value)
		}
	}
	return n
}

// admit opens a session, or says why not. The order of the checks is upstream's.
func (g *Gateway) admit(sessions context.Context, w http.ResponseWriter, r *http.Request, address netip.Addr) *rejection {
	if r.Method != http.MethodGet {
		return rejectMethod
	}
	if !g.config.allowsOrigin(r) {
		return rejectOrigin
	}
	id, rejected := g.identify(r, time.Now())
	if rejected != nil {
		return rejected
	}
	if rejected := g.limits.admit(address, largeOf(&id)); rejected != nil {
		return rejected
	}
	if rejected := g.accept(sessions, w, r, address, id); rejected != nil {
		g.limits.release(address, largeOf(&id))
		return rejected
	}
	return nil
}

// identify reads the client's version, token and client_id from the query and the
// headers.
func (g *Gateway) identify(r *http.Request, now time.Time) (channels.Identity, *rejection) {
	query := r.URL.Query()
	version, err := readVersion(query)
	if err != nil {
		return channels.Identity{}, rejectVersion
	}
	token, given := readToken(r.Header, query)
	claims, err := g.verifier.Verify(token, now)
	if err != nil {
		return channels.Identity{}, rejectToken(err, given)
	}
	clientID := last(query, "client_id")
	if len(clientID) > maxClientID {
		return channels.Identity{}, rejectClientID
	}
	return channels.Identity{
		Version: version, Token: strings.Clone(token), Claims: claims, Session: channels.NewSessionID(),
		ClientID: strings.Clone(clientID), Headers: captured(r.Header),
	}, nil
}

// accept completes the handshake and starts the session. The hub knows the session
// before its client is answered, so that it can end every session whose client
// knows that it is connected.
func (g *Gateway) accept(sessions context.Context, w http.ResponseWriter, r *http.Request, address netip.Addr, id channels.Identity) *rejection {
	if text := handshakeFault(r.Header); text != "" {
		return rejectHandshake(text)
	}
	if rejected := g.sessions.reserve(); rejected != nil {
		return rejected
	}
	s := newSession(g, id, address)
	c := s.introduce(id)
	h := &hijacker{ResponseWriter: w}
	conn, err := g.upgrader.Upgrade(h, r, nil)
	if err != nil {
		s.queue.kill(endGone) // so that nothing is written
		c.Close()
		g.sessions.release()
		if h.conn != nil {
			return rejectLost
		}
		return rejectHandshake(err.Error())
	}
	h.conn.muted = true
	s.conn, s.transport.Conn = conn, h.conn.Conn
	boundUnsent(h.conn.Conn)
	if h.conn.compressed {
		s.deflater = g.pools.deflater
	}
	s.open()
	g.enlist(s, id)
	go s.run(sessions, c)
	return nil
}
