package gateway

import (
	"io"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"walcast/protocol"
)

// A page cannot read the answer to a refused handshake: all that its WebSocket says
// is that it was closed. With errors=frame in the query the handshake is completed,
// and what was wrong is told by a system event and a close code.

// wantsFrames reports whether the client asks to be told by frames.
func wantsFrames(r *http.Request) bool { return last(r.URL.Query(), "errors") == "frame" }

// sayFarewell completes the handshake, tells the rejection and closes, for which
// the client has closeTimeout. It is false if the handshake failed, and nothing
// was sent.
func sayFarewell(u *websocket.Upgrader, closeTimeout time.Duration, w http.ResponseWriter, r *http.Request, rejected *rejection) bool {
	h := &hijacker{ResponseWriter: w}
	if _, err := u.Upgrade(h, r, nil); err != nil {
		return h.conn != nil // then there is nobody to answer
	}
	conn := h.conn.Conn
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(closeTimeout)) // connections of ours have deadlines
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
