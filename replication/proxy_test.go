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

// proxy is a TCP road to a test's Postgres that can be blocked and cut.
type proxy struct {
	listen net.Listener
	socket string
	work   sync.WaitGroup

	mu      sync.Mutex
	moving  sync.Cond
	stalled bool
	links   []*link
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn
	orphan         bool // the client has vanished and the server is not to know
}

func newProxy(t *testing.T, db *devdb.DB) *proxy {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listen: listen, socket: filepath.Join(db.Server.Dir, ".s.PGSQL."+strconv.Itoa(db.Server.Port))}
	p.moving.L = &p.mu
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

func (p *proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("unix", p.socket)
		if err != nil {
			client.Close()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		p.links = append(p.links, l)
		p.mu.Unlock()
		p.work.Go(func() { p.copy(l, l.server, l.client) })
		p.work.Go(func() { p.copy(l, l.client, l.server) })
	}
}

// copy passes bytes on, but not while the proxy is stalled.
func (p *proxy) copy(l *link, to, from net.Conn) {
	buffer := make([]byte, 8192)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.stalled {
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
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = on
	p.moving.Broadcast()
}

// cut breaks all connections, as the death of a process at either end does.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.client.Close()
		l.server.Close()
	}
	p.links = nil
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
