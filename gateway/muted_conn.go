package gateway

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"time"
)

// mutedConn takes the handshake's answer to the socket and nothing after it.
// gorilla answers violations of the protocol from the goroutine that reads, with
// a deadline of its own, in between what the queue sends; here such writes end,
// and the session sends its own close frame as the last of its queue.
type mutedConn struct {
	net.Conn
	muted      bool
	compressed bool // the answer agrees to permessage-deflate
}

// Write claims to have written, once muted.
func (c *mutedConn) Write(p []byte) (int, error) {
	if c.muted {
		return len(p), nil
	}
	// gorilla does not tell what it has agreed to.
	c.compressed = bytes.Contains(p, []byte("Sec-WebSocket-Extensions: permessage-deflate"))
	return c.Conn.Write(p)
}

// SetWriteDeadline does nothing, once muted.
func (c *mutedConn) SetWriteDeadline(t time.Time) error {
	if c.muted {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// hijacker gives gorilla a mutedConn.
type hijacker struct {
	http.ResponseWriter
	conn *mutedConn
}

// Hijack takes the connection over from the HTTP server.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := hijack(h.ResponseWriter)
	if err != nil {
		return nil, nil, err
	}
	h.conn = &mutedConn{Conn: conn}
	return h.conn, rw, nil
}
