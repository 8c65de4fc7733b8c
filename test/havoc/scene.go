package havoc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// Scene says what a trial is played on: a Postgres and a walcast that reads it, both behind
// proxies.
type Scene struct {
	Binary      string        // walcast, built
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
	if h.Database, err = NewProxy(fmt.Sprintf("127.0.0.1:%d", h.Postgres.Port), nil); err != nil {
		return h, err
	}
	address, err := program.FreeAddress()
	if err != nil {
		return h, err
	}
	if h.Clients, err = NewProxy(address, s.Sieve); err != nil {
		return h, err
	}
	h.Walcast = &Process{Binary: s.Binary, Address: address, Log: &program.Logbook{}, Args: s.args(address, h.Database.Addr())}
	if err := h.Walcast.Start(); err != nil {
		return h, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	return h, h.Walcast.Ready(ctx)
}

// args are those of walcast.
func (s *Scene) args(address, database string) []string {
	pick := func(from ...string) string { return from[s.Random.IntN(len(from))] }
	return []string{
		"serve", "--listen", address, "--state-dir", s.State, "--jwt-secret", program.Secret, "--publication", s.Publication,
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
	if h.Walcast != nil {
		h.Walcast.End(syscall.SIGTERM)
	}
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
