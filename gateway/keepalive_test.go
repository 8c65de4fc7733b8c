package gateway

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
)

// pipes is a listener in memory: fake time passes only where no real socket is
// waited for.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.accept:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000} }

// pipe has the address that a socket would have.
type pipe struct {
	net.Conn
	addr net.Addr
}

func (p pipe) RemoteAddr() net.Addr { return p.addr }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.accept <- pipe{Conn: server, addr: p.Addr()}
	return client, nil
}

// Whatever the moment of its last message, a silent client is pinged before it
// is taken for gone.
func TestSessionThatOnlyAnswersPingsStaysOpen(t *testing.T) {
	defaults := DefaultConfig()
	for _, c := range []struct {
		name       string
		idle, ping time.Duration
	}{
		{"by default", defaults.IdleTimeout, defaults.PingInterval},
		{"with the longest ping interval", time.Minute, 40 * time.Second},
		{"with a short one", time.Minute, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
				r := startOn(t, ln, func(set *Config) { set.IdleTimeout, set.PingInterval = c.idle, c.ping })
				dialer := websocket.Dialer{NetDialContext: ln.dial}
				const clients = bucketCount // one in each, which are visited at different times
				for range clients {
					conn, _, err := dialer.Dial(r.url(t), nil)
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					go conn.ReadMessage() // answers pings meanwhile
				}
				time.Sleep(10 * c.idle) //nolint:forbidigo // of a fake clock
				if got := r.hub.size(); got != clients {
					t.Errorf("%d of %d sessions are open after ten idle timeouts", got, clients)
				}
			})
		})
	}
}

func TestVisitsThatABusyMachineMissedAreMadeUpFor(t *testing.T) {
	const interval = visits * bucketCount
	for _, c := range []struct {
		name                string
		done, due, from, to int
	}{
		{"on time", 7, 8, 7, 8},
		{"too early", 7, 7, 7, 7},
		{"a few ticks were dropped", 7, 30, 7, 30},
		{"the machine slept", 7, 3*interval + 9, 2*interval + 9, 3*interval + 9},
	} {
		if from, to := overdue(c.done, c.due); from != c.from || to != c.to {
			t.Errorf("%s: overdue(%d, %d) = %d, %d; want %d, %d", c.name, c.done, c.due, from, to, c.from, c.to)
		}
	}
}
