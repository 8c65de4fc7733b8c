package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/await"
)

func TestNameOfManyAddresses(t *testing.T) {
	r := newRoutes([]string{"nodes:6222", "gone:1", "10.0.0.9:6222"}, "p", slog.New(slog.DiscardHandler))
	r.resolve = func(_ context.Context, host string) ([]string, error) {
		switch host {
		case "nodes":
			return []string{"10.0.0.2", "10.0.0.1", "fd00::1"}, nil
		case "gone":
			return nil, errors.New("no such host")
		}
		return []string{host}, nil
	}
	want := []string{"10.0.0.1:6222", "10.0.0.2:6222", "10.0.0.9:6222", "[fd00::1]:6222", "gone:1"}
	if diff := cmp.Diff(want, r.addresses()); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

// TestNewAddress has a name stand for another node later.
func TestNewAddress(t *testing.T) {
	first := freeAddress(t)
	a, _ := runBus(t, Config{Listen: first, Secret: testSecret}, "a", io.Discard)
	logger := slog.New(slog.DiscardHandler)
	e, err := startEmbedded(Config{Listen: freeAddress(t), Secret: testSecret}, logger)
	if err != nil {
		t.Fatal(err)
	}
	defer e.stop()
	e.routes.peers = []string{first}
	if err := e.routes.update(e.server); err != nil {
		t.Fatal(err)
	}
	await.True(t, patience, "a route to the new address", func() bool { return e.server.NumRoutes() == 1 })
	awaitNodes(t, a, "a")
}
