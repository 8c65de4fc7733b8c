package gateway

import (
	"io"
	"net/http"
	"time"

	"walcast/protocol"
)

// A page cannot read the answer to a refused handshake: all that its WebSocket says
// is that it was closed. With errors=frame in the query the handshake is completed,
// and what was wrong is told by a system event and a close code.

// wantsFrames reports whether the client asks to be told by frames.
func wantsFrames(r *http.Request) bool { return last(r.URL.Query(), "errors") == "frame" }

// answerHandshake answers a handshake that is rejected.
func (g *Gateway) answerHandshake(w http.ResponseWriter, r *http.Request, rejected *rejection) {
	if rejected.code != 0 && wantsFrames(r) && handshakeFault(r.Header) == "" && g.sayFarewell(w, r, rejected) {
		return
	}
	rejected.write(w)
}

// sayFarewell completes the handshake, tells the rejection and closes. It is false
// if the handshake failed, and nothing was sent.
func (g *Gateway) sayFarewell(w http.ResponseWriter, r *http.Request, rejected *rejection) bool {
	h := &hijacker{ResponseWriter: w}
	if _, err := g.upgrader.Upgrade(h, r, nil); err != nil {
		return h.conn != nil // then there is nobody to answer
	}
	conn := h.conn.Conn
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(g.config.CloseTimeout)) // connections of ours have deadlines
	version, err := readVersion(r.URL.Query())
	if err != nil {
		version = protocol.V1
	}
	wire := append(version.Refused(rejected.code, rejected.reason).Wire(), protocol.CloseFrame(rejected.code, rejected.reason).Wire()...)
	if _, err := conn.Write(wire); err != nil {
		return true
	}
	// A connection that is closed while something of the client's is unread is reset,
	// and then the client may not get to read what it was told.
	_, _ = io.Copy(io.Discard, io.LimitReader(conn, maxUnasked))
	return true
}
