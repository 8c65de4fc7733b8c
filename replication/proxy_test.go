package replication

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"walcast/internal/devdb"
)

// proxy passes TCP connections on to a test's Postgres, and can block and cut them.
type proxy struct {
	listen net.Listener
	work   sync.WaitGroup

	mu      sync.Mutex
	moving  sync.Cond
	socket  string // of the server that it leads to
	stalled way
	links   []*link
}

// way is a direction through the proxy, or several.
type way uint8

const (
	toServer way = 1 << iota
	toClient
)

// link is one connection through the proxy.
type link struct {
	client net.Conn
	server net.Conn // nil until the proxy lets the client through
	orphan bool     // the client has vanished and the server is not to know
	ended  bool     // it was cut
}

func newProxy(t *testing.T, db *devdb.DB) *proxy {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listen: listen}
	p.moving.L = &p.mu
	p.lead(db.Server)
	p.work.Go(p.accept)
	t.Cleanup(func() {
		listen.Close()
		p.cut()
		p.stall(false)
		p.work.Wait()
	})
	return p
}

// url leads to the database through the proxy.
func (p *proxy) url(db *devdb.DB) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", p.listen.Addr(), db.Name)
}

// lead sends new connections to a server.
func (p *proxy) lead(s *devdb.Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.socket = filepath.Join(s.Dir, ".s.PGSQL."+strconv.Itoa(s.Port))
}

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		l := &link{client: client}
		p.mu.Lock()
		p.links = append(p.links, l)
		p.mu.Unlock()
		p.work.Go(func() { p.connect(l) })
	}
}

// connect connects a client to the server, but not while the proxy is stalled: a
// server that is to stop waits a minute for a connection on which nothing comes.
func (p *proxy) connect(l *link) {
	p.mu.Lock()
	for p.stalled&toServer != 0 && !l.ended {
		p.moving.Wait()
	}
	socket := p.socket
	p.mu.Unlock()
	server, err := net.Dial("unix", socket)
	if err != nil {
		l.client.Close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.ended {
		server.Close()
		return
	}
	l.server = server
	p.work.Go(func() { p.copy(l, server, l.client, toServer) })
	p.work.Go(func() { p.copy(l, l.client, server, toClient) })
}

// copy passes bytes on, but not while the proxy is stalled.
func (p *proxy) copy(l *link, to, from net.Conn, direction way) {
	buffer := make([]byte, 8192)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.stalled&direction != 0 {
			p.moving.Wait()
		}
		orphan := l.orphan
		p.mu.Unlock()
		if orphan {
			return
		}
		if _, e := to.Write(buffer[:n]); e != nil || err != nil {
			to.Close()
			return
		}
	}
}

// stall makes all connections silent, in both directions, or heals them.
func (p *proxy) stall(on bool) {
	var both way
	if on {
		both = toServer | toClient
	}
	p.silence(both)
}

// silence stalls some directions and heals the others.
func (p *proxy) silence(directions way) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = directions
	p.moving.Broadcast()
}

// cut breaks all connections, as the death of a process at either end does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.ended = true
		l.client.Close()
		if l.server != nil {
			l.server.Close()
		}
	}
	p.links = nil
	p.moving.Broadcast()
}

// vanish breaks the connections for the clients only: the server's ends stay
// open and silent, as when a machine is gone.
func (p *proxy) vanish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.orphan = true
		l.client.Close()
	}
}
