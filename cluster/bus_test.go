package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/await"
	"walcast/test/program"
)

// patience bounds what a test waits for.
const patience = 30 * time.Second

// runBus runs a bus until the test ends, or stop is called.
func runBus(t *testing.T, c Config, name string, log io.Writer) (b *Bus, stop func()) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	since := time.Now()
	b = New(c, "slot", func() Node { return Node{Node: name, Role: "standby", Since: since} }, func(q []byte) []byte { return append([]byte(name+" "), q...) }, logger, prometheus.NewRegistry())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := b.Run(ctx, func(context.Context) (string, error) { return "made", nil }); err != nil {
			t.Errorf("bus of %s: %v", name, err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
	})
	t.Cleanup(stop)
	return b, stop
}

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// awaitNodes waits until a bus knows these nodes and no others.
func awaitNodes(t *testing.T, b *Bus, want ...string) {
	t.Helper()
	await.True(t, patience, fmt.Sprintf("the nodes to be %q", want), func() bool {
		var names []string
		for _, n := range b.Nodes() {
			names = append(names, n.Node)
		}
		return slices.Equal(names, want)
	})
}

func TestNodesFindEachOther(t *testing.T) {
	first, log := freeAddress(t), await.NewOutput()
	a, stopA := runBus(t, Config{Listen: first, Secret: testSecret}, "a", log)
	b, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret}, "b", log)
	c, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret}, "c", log)
	for _, bus := range []*Bus{a, b, c} {
		awaitNodes(t, bus, "a", "b", "c")
	}
	began := time.Now()
	stopA() // says bye, and the others stay connected without it
	awaitNodes(t, b, "b", "c")
	awaitNodes(t, c, "b", "c")
	if took := time.Since(began); took > goneAfter {
		t.Errorf("%s until a node that has stopped was gone; want that it says so at once", took)
	}
	for _, secret := range []string{testSecret, routePassword(testSecret)} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the secret was logged:\n%s", log.String())
		}
	}
}

// TestClustersApart has nodes of two names on one NATS.
func TestClustersApart(t *testing.T) {
	first, log := freeAddress(t), await.NewOutput()
	a, _ := runBus(t, Config{Listen: first, Secret: testSecret, Name: "one"}, "a", log)
	b, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret, Name: "other"}, "b", log)
	c, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret, Name: "one"}, "c", log)
	awaitNodes(t, a, "a", "c")
	awaitNodes(t, c, "a", "c")
	awaitNodes(t, b, "b")
}

func TestNobodyJoinsWithoutTheSecret(t *testing.T) {
	first, log := freeAddress(t), await.NewOutput()
	a, _ := runBus(t, Config{Listen: first, Secret: testSecret}, "a", io.Discard)
	b, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: "another secret of a node"}, "b", log)
	await.True(t, patience, "the refusal to be logged", func() bool { return strings.Contains(strings.ToLower(log.String()), "authorization") })
	awaitNodes(t, a, "a")
	awaitNodes(t, b, "b")
	if conn, err := nats.Connect("nats://"+first, nats.Timeout(time.Second)); err == nil {
		conn.Close()
		t.Error("a client without credentials is let in where nodes are")
	}
}

func TestExistingNATS(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, Username: "u", Password: "the-password", NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("no NATS server")
	}
	log := await.NewOutput()
	address := s.Addr().String()
	a, _ := runBus(t, Config{NATSURL: "nats://u:the-password@" + address}, "a", log)
	b, _ := runBus(t, Config{NATSURL: "nats://u:the-password@" + address}, "b", log)
	awaitNodes(t, a, "a", "b")
	awaitNodes(t, b, "a", "b")
	runBus(t, Config{NATSURL: "nats://u:wrong-password@" + address}, "c", log)
	await.True(t, patience, "the refusal to be logged", func() bool { return strings.Contains(strings.ToLower(log.String()), "authorization") })
	for _, secret := range []string{"the-password", "wrong-password"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the password was logged:\n%s", log.String())
		}
	}
}

// TestNewerVersion has a node read what a newer version writes.
func TestNewerVersion(t *testing.T) {
	first, log := freeAddress(t), await.NewOutput()
	a, _ := runBus(t, Config{Listen: first, Secret: testSecret}, "a", log)
	b, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret}, "b", log)
	awaitNodes(t, a, "a", "b")
	if err := a.Newer(); err != nil {
		t.Errorf("Newer() = %v; want nil", err)
	}
	await.True(t, patience, "a message of a newer version", func() bool {
		if err := b.publish(subjectBeat, []byte{formatNumber + 1, 'x'}); err != nil {
			t.Fatal(err)
		}
		err := a.Newer()
		return err != nil && strings.Contains(err.Error(), "upgrade this node")
	})
	awaitNodes(t, a, "a", "b")
}

func TestListenerIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b := New(Config{Listen: l.Addr().String(), Secret: testSecret}, "slot", func() Node { return Node{} }, nil, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	err = b.Run(t.Context(), func(context.Context) (string, error) { return "made", nil })
	if err == nil || !strings.HasPrefix(err.Error(), "cluster-listen: ") {
		t.Errorf("Run = %v; want an error of cluster-listen", err)
	}
}
