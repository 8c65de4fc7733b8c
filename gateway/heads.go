package gateway

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// What clients may have sent of the heads of requests that are not complete. The first of
// each is not counted, which is all of an ordinary one; with TLS its handshake comes before.
const (
	ordinaryHead    = ordinaryHandshake
	ordinaryTLS     = 4 << 10
	unfinishedHeads = 16 << 20 // of all together
)

var errManyHeads = errors.New("too many requests with large heads are under way")

// heads counts what clients have sent of the heads of requests that are not complete yet:
// until they are, no other limit knows of them. It is safe for concurrent use.
type heads struct {
	ordinary int    // bytes of each that are not counted
	limited  func() // is called when a connection is ended for it
	bytes    atomic.Int64
}

// listen counts what comes over the connections of a listener.
func (h *heads) listen(ln net.Listener) net.Listener { return &headListener{ln, h} }

// headListener is a listener of headConns.
type headListener struct {
	net.Listener
	heads *heads
}

func (l *headListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headConn{Conn: conn, heads: l.heads}, nil
}

// headConn counts what comes of the head of a request.
type headConn struct {
	net.Conn
	heads *heads
	busy  atomic.Bool // a request is handled, or the connection was taken over: nothing counts

	mu     sync.Mutex
	size   int // bytes of the head that have come
	closed bool
}

// NetConn is the connection itself, as that of tls.Conn.
func (c *headConn) NetConn() net.Conn { return c.Conn }

// CloseWrite tells the client that nothing follows. The HTTP server does so before it
// closes a connection of which it has not read everything.
func (c *headConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Read fails if the head is one too many.
func (c *headConn) Read(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	if n > 0 && !c.busy.Load() && !c.count(n) {
		c.heads.limited()
		return 0, errManyHeads
	}
	return n, err
}

func (c *headConn) count(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	before := c.counted()
	c.size += n
	more := c.counted() - before
	return more == 0 || c.heads.bytes.Add(more) <= unfinishedHeads
}

func (c *headConn) counted() int64 { return int64(max(0, c.size-c.heads.ordinary)) }

// complete ends the count of a head.
func (c *headConn) complete(closes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heads.bytes.Add(-c.counted())
	c.size, c.closed = 0, c.closed || closes
}

// Close also ends the count.
func (c *headConn) Close() error {
	c.complete(true)
	return c.Conn.Close()
}

// headState is the ConnState of a server: it ends the count of a head that is complete, and
// begins that of the next one when what was left of the request has been read.
func headState(conn net.Conn, state http.ConnState) {
	c := headOf(conn)
	if c == nil {
		return
	}
	switch state {
	case http.StateActive:
		c.busy.Store(true)
		c.complete(false)
	case http.StateIdle:
		c.busy.Store(false)
	}
}

// headOf finds the headConn of a connection, nil if it has none.
func headOf(conn net.Conn) *headConn {
	for {
		switch c := conn.(type) {
		case *headConn:
			return c
		case interface{ NetConn() net.Conn }: // TLS
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// hijack takes a connection over from the HTTP server.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if c, ok := conn.(*headConn); ok {
		conn = c.Conn // which can write several pieces at once
	}
	return conn, rw, nil
}
