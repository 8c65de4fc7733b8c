package havoc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// Scene says what a trial is played on: a Postgres and a walcast that reads it, both behind
// proxies.
type Scene struct {
	Binary      string        // walcast, built
	Nodes       int           // of a cluster; 0 and 1 are a server without others
	State       string        // folder for its state
	Publication string        // that it reads
	Window      time.Duration // its resume window
	Random      *rand.Rand    // of its other settings
	Seed        uint64        // of the misfortunes
	Sieve       func() Sieve  // see Proxy
	Log         *program.Logbook
}

// readyLimit is for walcast's start.
const readyLimit = 60 * time.Second

// Open starts everything; what it returns is to be closed also after an error. makeTables
// makes what walcast is to find, before it starts, over dsn, which leads past the proxy.
func Open(ctx context.Context, s Scene, makeTables func(ctx context.Context, dsn string) error) (h *Havoc, err error) {
	h = &Havoc{Random: rand.New(rand.NewPCG(s.Seed, 1)), Log: s.Log, Pause: 500 * time.Millisecond}
	if h.Postgres, err = devdb.Start(ctx, devdb.Options{TCP: true, Settings: map[string]string{"wal_sender_timeout": "10s"}}); err != nil {
		return h, err
	}
	if err := makeTables(ctx, h.Postgres.DSN("postgres")); err != nil {
		return h, err
	}
	if h.Database, err = NewProxy(nil, fmt.Sprintf("127.0.0.1:%d", h.Postgres.Port)); err != nil {
		return h, err
	}
	if s.Nodes > 1 {
		if h.bus, err = openBus(); err != nil {
			return h, err
		}
	}
	if err := s.cast(h); err != nil {
		return h, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for _, p := range h.Walcast {
		if err := p.Start(); err != nil {
			return h, err
		}
	}
	for _, p := range h.Walcast {
		if err := p.Ready(ctx); err != nil {
			return h, err
		}
	}
	return h, h.awaitSure(ctx)
}

// awaitSure waits until the nodes of a cluster take clients for new that none of them knows.
func (h *Havoc) awaitSure(ctx context.Context) error {
	if h.bus == nil {
		return nil
	}
	for _, p := range h.Walcast {
		for {
			unsure, err := program.Metric(ctx, p.Address, "walcast_channels_moving_unsure")
			if err != nil {
				return err
			}
			if unsure == 0 {
				break
			}
			if !program.Wait(ctx, 50*time.Millisecond) {
				return fmt.Errorf("wait for nodes to know each other's clients: %w", ctx.Err())
			}
		}
	}
	return nil
}

// cast makes the nodes, and the proxy in front of them.
func (s *Scene) cast(h *Havoc) error {
	common := s.args(h.Database.Addr())
	if h.bus != nil {
		common = append(common, "--nats-url", "nats://"+h.bus.proxy.Addr())
	}
	var addresses []string
	for n := range max(1, s.Nodes) {
		address, err := program.FreeAddress()
		if err != nil {
			return err
		}
		addresses = append(addresses, address)
		args := append([]string{"serve", "--listen", address, "--state-dir", filepath.Join(s.State, fmt.Sprint(n+1))}, common...)
		h.Walcast = append(h.Walcast, &Process{Binary: s.Binary, Address: address, Log: &program.Logbook{}, Args: args})
	}
	h.busy = make([]atomic.Bool, 1+len(h.Walcast))
	var err error
	h.Clients, err = NewProxy(s.Sieve, addresses...)
	return err
}

// args are what all nodes have in common.
func (s *Scene) args(database string) []string {
	pick := func(from ...string) string { return from[s.Random.IntN(len(from))] }
	return []string{
		"--jwt-secret", program.Secret, "--publication", s.Publication,
		"--database-url", "postgres://postgres@" + database + "/postgres?sslmode=disable", "--start-timeout", "2m",
		"--resume-window", s.Window.String(), "--log-size", pick("2MiB", "8MiB", "64MiB"),
		"--queue-size", pick("64KiB", "256KiB", "4MiB"),
		"--idle-timeout", "10s", "--ping-interval", "4s", "--write-timeout", "5s",
	}
}

// Close ends everything that runs. A nil Havoc has nothing.
func (h *Havoc) Close() error {
	if h == nil {
		return nil
	}
	h.Walcast.end(syscall.SIGTERM)
	h.bus.close()
	for _, p := range []*Proxy{h.Clients, h.Database} {
		if p != nil {
			p.Close()
		}
	}
	if h.Postgres == nil {
		return nil
	}
	return h.Postgres.Stop()
}
