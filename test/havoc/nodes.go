package havoc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// Nodes are processes of walcast: one, or the nodes of a cluster.
type Nodes []*Process

// Unclean is when one of them first ended without a stop, in Unix nanoseconds, 0 if none
// ever did.
func (n Nodes) Unclean() (first int64) {
	for _, p := range n {
		if at := p.Unclean(); at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// Faults are those of all.
func (n Nodes) Faults() (all []Fault) {
	for _, p := range n {
		all = append(all, p.Faults()...)
	}
	return all
}

// Around is what all have printed around a moment, each by itself.
func (n Nodes) Around(at int64, before, after time.Duration, most int) string {
	var out strings.Builder
	for i, p := range n {
		if len(n) > 1 {
			fmt.Fprintf(&out, "  node %d, %s\n", i+1, p.Address)
		}
		out.WriteString(p.Log.Around(at, before, after, most))
	}
	return out.String()
}

// Args are the arguments of all, in which no more than addresses and folders differ.
func (n Nodes) Args() string {
	var all []string
	for _, p := range n {
		all = append(all, strings.Join(p.Args, " "))
	}
	slices.SortFunc(all, cmp.Compare[string])
	return strings.Join(all, "\nwalcast ")
}

func (n Nodes) end(s syscall.Signal) {
	for _, p := range n {
		p.End(s)
	}
}

// bus is a NATS server between nodes, behind a proxy.
type bus struct {
	server *natsserver.Server
	proxy  *Proxy
	harmed atomic.Int64 // when it first was, in Unix nanoseconds
}

func openBus() (*bus, error) {
	server, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, MaxPayload: 8 << 20})
	if err != nil {
		return nil, fmt.Errorf("open bus: %w", err)
	}
	b := &bus{server: server}
	server.Start()
	if !server.ReadyForConnections(readyLimit) {
		return b, fmt.Errorf("open bus: NATS does not listen within %s", readyLimit)
	}
	b.proxy, err = NewProxy(nil, server.Addr().String())
	return b, err
}

func (b *bus) close() {
	if b == nil {
		return
	}
	if b.proxy != nil {
		b.proxy.Close()
	}
	b.server.Shutdown()
	b.server.WaitForShutdown()
}
