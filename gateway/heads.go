package gateway

import (
	"bufio"
	"context"
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

// headConn counts what comes between one request and the next.
type headConn struct {
	net.Conn
	heads *heads
	phase atomic.Int32

	mu     sync.Mutex
	size   int // bytes of the head that have come
	closed bool
}

// What comes over a connection is a head, or for a handler, or for who has taken it over.
const (
	phaseHead = iota
	phaseHandled
	phaseTaken
)

// NetConn is the connection itself, as that of tls.Conn.
func (c *headConn) NetConn() net.Conn { return c.Conn }

// Read fails if the head is one too many.
func (c *headConn) Read(p []byte) (n int, err error) {
	n, err = c.Conn.Read(p)
	if n > 0 && c.phase.Load() == phaseHead && !c.count(n) {
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

// headKey is where a request's context has its connection.
type headKey struct{}

// headContext is the ConnContext of a server.
func headContext(ctx context.Context, conn net.Conn) context.Context {
	if c := headOf(conn); c != nil {
		return context.WithValue(ctx, headKey{}, c)
	}
	return ctx
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

// headed has what comes count no more while h handles a request.
func headed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(headKey{}).(*headConn); ok {
			c.complete(false)
			c.phase.Store(phaseHandled)
			defer c.phase.CompareAndSwap(phaseHandled, phaseHead)
		}
		h.ServeHTTP(w, r)
	})
}

// hijack takes a connection over from the HTTP server. Nothing of it counts any more.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if c := headOf(conn); c != nil {
		c.phase.Store(phaseTaken)
	}
	if c, ok := conn.(*headConn); ok {
		conn = c.Conn // which can write several pieces at once
	}
	return conn, rw, nil
}
