package gateway

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// transport is a session's connection with the deadlines of its reads and writes.
// A deadline that is not urgent is set at most once a second: it costs more than
// the rest of a small message.
//
// To end the session, ending is set first and then the short deadline. extendRead
// and extendWrite set the long deadline and then look at ending. So whichever of
// the two comes last, the short deadline is what remains.
type transport struct {
	net.Conn
	timeouts *Timeouts
	ending   *atomic.Bool // the queue's: its last frame is queued, so the client has CloseTimeout left

	readSet  time.Time // when the read deadline was last set; belongs to the reader
	writeSet int64     // when the write deadline was, in Unix seconds; belongs to the writer
}

// extendRead gives the client IdleTimeout for its next message. A message must be
// complete within that, so one that arrives byte by byte does not last either.
func (t *transport) extendRead() {
	now := time.Now()
	if now.Sub(t.readSet) < min(time.Second, t.timeouts.IdleTimeout/8) {
		return
	}
	t.readSet = now
	_ = t.SetReadDeadline(now.Add(t.timeouts.IdleTimeout))
	if t.ending.Load() { // see transport
		t.endRead()
	}
}

// extendWrite gives the client WriteTimeout to take size bytes, and as much again
// for each MiB.
func (t *transport) extendWrite(size int) {
	now := time.Now()
	if now.Unix() == t.writeSet && size < 1<<20 {
		return
	}
	t.writeSet = now.Unix()
	_ = t.SetWriteDeadline(now.Add(t.timeouts.WriteTimeout * time.Duration(1+size>>20)))
	if t.ending.Load() { // see transport
		t.endWrite()
	}
}

// endRead gives the client CloseTimeout to say the last that it has to say.
func (t *transport) endRead() { _ = t.SetReadDeadline(time.Now().Add(t.timeouts.CloseTimeout)) }

// endWrite gives the client CloseTimeout to take the last that it is sent.
func (t *transport) endWrite() { _ = t.SetWriteDeadline(time.Now().Add(t.timeouts.CloseTimeout)) }

// closeWrite tells the client that nothing follows.
func (t *transport) closeWrite() {
	if w, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		_ = w.CloseWrite()
	}
}

// linger reads on for a moment after the last frame: closing with unread bytes
// resets the connection, and the client would never see why it was closed.
func (t *transport) linger() {
	t.closeWrite()
	t.endRead()
	_, _ = io.Copy(io.Discard, t.Conn)
}

// cut closes the connection at once. TLS would first say goodbye to a client that
// does not read.
func (t *transport) cut() {
	if encrypted, ok := t.Conn.(*tls.Conn); ok {
		_ = encrypted.NetConn().Close()
		return
	}
	_ = t.Close()
}
