package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/await"
)

// TestAFeedKeepsTheOrderOfAllSubjects has one node send to many subjects in turn.
func TestAFeedKeepsTheOrderOfAllSubjects(t *testing.T) {
	first := freeAddress(t)
	a, _ := runBus(t, Config{Listen: first, Secret: testSecret}, "a", io.Discard)
	b, _ := runBus(t, Config{Listen: freeAddress(t), Peers: []string{first}, Secret: testSecret}, "b", io.Discard)
	awaitNodes(t, a, "a", "b")
	awaitNodes(t, b, "a", "b")
	from, to := a.Feed(1<<20), b.Feed(1<<20)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { from.Run(ctx, func() {}) })
	const subjects, each = 50, 20
	for n := range subjects {
		stop, err := to.Listen(fmt.Sprint("feed.", n))
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	await.True(t, patience, "the subjects to be known to the other node", func() bool {
		if err := from.Send(fmt.Sprint("feed.", subjects-1), []byte("probe")); err != nil {
			t.Fatal(err)
		}
		return len(to.arrived) > 0
	})
	for n := range subjects * each {
		if err := from.Send(fmt.Sprint("feed.", n%subjects), fmt.Appendf(nil, "%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; n < subjects*each; {
		text, err := to.Next(t.Context())
		switch {
		case err != nil:
			t.Fatal(err)
		case string(text) == "probe":
		case string(text) != fmt.Sprint(n):
			t.Fatalf("message %s comes in place of %d", text, n)
		default:
			n++
		}
	}
	if !to.Connected() || to.Largest() != maxPayload {
		t.Errorf("Connected = %t, Largest = %d; want that the bus takes %d bytes", to.Connected(), to.Largest(), maxPayload)
	}
}

func TestAFeedIsBounded(t *testing.T) {
	reg := prometheus.NewRegistry()
	b := New(Config{}, "slot", func() Node { return Node{} }, nil, slog.New(slog.DiscardHandler), reg)
	f := b.Feed(10)
	for _, text := range []string{"12345678", "1234", "12", "too much"} {
		f.arrived <- &nats.Msg{Data: []byte(text)}
	}
	for _, want := range []string{"12345678", "12"} {
		if got, err := f.Next(t.Context()); err != nil || string(got) != want {
			t.Errorf("Next() = %q, %v; want %q", got, err, want)
		}
	}
	if got := counted(t, reg, "walcast_cluster_slow_reads_total"); got != 2 {
		t.Errorf("%v messages counted as lost; want 2", got)
	}
	if err := f.Send("s", nil); !errors.Is(err, errNotConnected) {
		t.Errorf("Send without a bus = %v; want %v", err, errNotConnected)
	}
	for range 2 {
		if err := f.sending.add(&nats.Msg{Data: make([]byte, mostWaiting*2/3)}); err != nil && !errors.Is(err, errFull) {
			t.Errorf("add = %v", err)
		}
	}
	if got := counted(t, reg, "walcast_cluster_lost_messages_total"); got != 2 {
		t.Errorf("%v messages counted as not handed to the bus; want the one without a bus and the one that was too much", got)
	}
}

// counted is the value of a counter.
func counted(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.Metric[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
