package havoc

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Proxy passes TCP connections on, and can harm them.
type Proxy struct {
	listen  net.Listener
	targets []string     // of each link any that is there
	sieve   func() Sieve // looks at what goes to the client of a new link; nil lets all through
	work    sync.WaitGroup

	mu     sync.Mutex
	links  map[*link]struct{}
	closed bool
}

// Sieve passes on what it is given, or less.
type Sieve interface {
	// Sift returns what goes on of what has come.
	Sift(p []byte) []byte
}

// link is one connection through the proxy.
type link struct {
	client, server *net.TCPConn
	up, down       lock // to the server, to the client
	once           sync.Once
}

// lock holds up one direction of a link.
type lock struct {
	mu   sync.Mutex
	free chan struct{} // closed when the stall is over; nil while there is none
}

// NewProxy begins to pass connections on to one of some targets.
func NewProxy(s func() Sieve, targets ...string) (*Proxy, error) {
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open proxy: %w", err)
	}
	p := &Proxy{listen: listen, targets: targets, sieve: s, links: map[*link]struct{}{}}
	p.work.Go(p.accept)
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.listen.Addr().String() }

// Close ends all links and waits for their goroutines.
func (p *Proxy) Close() {
	_ = p.listen.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cutAll()
	p.work.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.carry(client.(*net.TCPConn)) })
	}
}

// carry connects a client through and copies until both directions have ended.
func (p *Proxy) carry(client *net.TCPConn) {
	server := p.dial()
	if server == nil {
		_ = client.Close()
		return
	}
	l := &link{client: client, server: server}
	p.mu.Lock()
	p.links[l] = struct{}{}
	closed := p.closed
	p.mu.Unlock()
	var down Sieve
	if p.sieve != nil {
		down = p.sieve()
	}
	if closed {
		l.cut(false)
	}
	var both sync.WaitGroup
	both.Go(func() { l.copy(l.server, l.client, &l.up, nil) })
	both.Go(func() { l.copy(l.client, l.server, &l.down, down) })
	both.Wait()
	l.cut(false)
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// dial connects to a target that is there, nil if none is.
func (p *Proxy) dial() *net.TCPConn {
	for _, i := range rand.Perm(len(p.targets)) {
		if server, err := net.DialTimeout("tcp", p.targets[i], 5*time.Second); err == nil {
			return server.(*net.TCPConn)
		}
	}
	return nil
}

// copy passes bytes on until one end closes, and tells the other.
func (l *link) copy(to, from *net.TCPConn, gate *lock, through Sieve) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		gate.wait()
		p := buffer[:n]
		if through != nil {
			p = through.Sift(p)
		}
		if _, e := to.Write(p); e != nil {
			l.cut(false)
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite()
			return
		case err != nil:
			l.cut(false)
			return
		}
	}
}

// cut ends the link; with reset, as if a machine had vanished and come back.
func (l *link) cut(reset bool) {
	l.once.Do(func() {
		if reset {
			_ = l.client.SetLinger(0)
			_ = l.server.SetLinger(0)
		}
		_ = l.client.Close()
		_ = l.server.Close()
		l.up.release()
		l.down.release()
	})
}

func (k *lock) wait() {
	k.mu.Lock()
	free := k.free
	k.mu.Unlock()
	if free != nil {
		<-free
	}
}

func (k *lock) hold() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.free == nil {
		k.free = make(chan struct{})
	}
}

func (k *lock) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.free != nil {
		close(k.free)
		k.free = nil
	}
}

func (p *Proxy) cutAll() (n int) {
	for _, l := range p.all() {
		l.cut(n%2 == 0)
		n++
	}
	return n
}

// heal ends all stalls.
func (p *Proxy) heal() {
	for _, l := range p.all() {
		l.up.release()
		l.down.release()
	}
}

func (p *Proxy) all() (links []*link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

// harm does something random to a random link and says what. A stall ends by
// itself.
func (p *Proxy) harm(r *rand.Rand, longest time.Duration) string {
	links := p.all()
	if len(links) == 0 {
		return ""
	}
	l := links[r.IntN(len(links))]
	stall := time.Duration(r.Int64N(int64(longest)))
	switch kind := r.IntN(10); kind {
	case 0, 1, 2:
		l.cut(kind == 0)
		return fmt.Sprintf("cut %s", l)
	case 3:
		_ = l.server.CloseWrite()
		return fmt.Sprintf("half-close %s towards the server", l)
	case 4:
		_ = l.client.CloseWrite()
		return fmt.Sprintf("half-close %s towards the client", l)
	case 5:
		l.stall(stall, &l.up)
		return fmt.Sprintf("stall %s towards the server for %s", l, stall.Round(time.Millisecond))
	case 6, 7:
		l.stall(stall, &l.down)
		return fmt.Sprintf("stall %s towards the client for %s", l, stall.Round(time.Millisecond))
	case 8:
		l.stall(stall, &l.up, &l.down)
		time.AfterFunc(stall, func() { l.cut(true) })
		return fmt.Sprintf("stall %s for %s, then cut it", l, stall.Round(time.Millisecond))
	}
	l.stall(stall, &l.up, &l.down)
	return fmt.Sprintf("stall %s for %s", l, stall.Round(time.Millisecond))
}

func (l *link) stall(d time.Duration, gates ...*lock) {
	for _, g := range gates {
		g.hold()
		time.AfterFunc(d, g.release)
	}
}

func (l *link) String() string { return l.client.RemoteAddr().String() }
