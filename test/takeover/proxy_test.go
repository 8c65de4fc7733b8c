package takeover

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"walcast/internal/devdb"
)

// network is the way from a node to Postgres, which can be cut without either end being
// told: nothing arrives any more until it is mended.
type network struct {
	listen net.Listener
	server string
	work   sync.WaitGroup

	mu    sync.Mutex
	heals sync.Cond
	cut   bool
	ends  []net.Conn
}

// newNetwork leads to a Postgres that listens on TCP.
func newNetwork(t *testing.T, db *devdb.DB) *network {
	t.Helper()
	return networkTo(t, fmt.Sprintf("127.0.0.1:%d", db.Server.Port))
}

// networkTo leads to an address.
func networkTo(t *testing.T, address string) *network {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{listen: listen, server: address}
	n.heals.L = &n.mu
	n.work.Go(n.accept)
	t.Cleanup(func() {
		listen.Close()
		n.set(false)
		n.mu.Lock()
		for _, end := range n.ends {
			end.Close()
		}
		n.mu.Unlock()
		n.work.Wait()
	})
	return n
}

func (n *network) port() int { return n.listen.Addr().(*net.TCPAddr).Port }

// set cuts the network, or mends it.
func (n *network) set(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
	n.heals.Broadcast()
}

func (n *network) accept() {
	for {
		client, err := n.listen.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", n.server)
		if err != nil {
			client.Close()
			continue
		}
		n.mu.Lock()
		n.ends = append(n.ends, client, server)
		n.mu.Unlock()
		n.work.Go(func() { n.pass(client, server) })
		n.work.Go(func() { n.pass(server, client) })
	}
}

// pass passes on what comes, and its end, unless the network is cut.
func (n *network) pass(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 8<<10)
	for {
		read, err := from.Read(buffer)
		n.mu.Lock()
		for n.cut {
			n.heals.Wait()
		}
		n.mu.Unlock()
		if _, e := to.Write(buffer[:read]); e != nil || err != nil {
			return
		}
	}
}
