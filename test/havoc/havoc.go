package havoc

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// Havoc harms connections and kills processes at random.
type Havoc struct {
	Random   *rand.Rand
	Clients  *Proxy // between the clients and walcast
	Database *Proxy // between walcast and Postgres
	Walcast  *Process
	Postgres *devdb.Server
	Log      *program.Logbook
	Pause    time.Duration // between two misfortunes, on average

	work    sync.WaitGroup
	busy    [2]atomic.Bool // walcast, Postgres: it is being restarted
	mu      sync.Mutex
	faults  []Fault
	counted map[string]int
}

// What can happen to a process, and how long it stays down at most.
const longestDown = 3 * time.Second

// Wreak goes on until ctx is done, and returns when everything runs again.
func (h *Havoc) Wreak(ctx context.Context) {
	h.counted = map[string]int{}
	for program.Wait(ctx, time.Duration(h.Random.Int64N(int64(2*h.Pause)))) {
		kind, what := h.once()
		if what == "" {
			continue
		}
		h.Log.Note("%s", what)
		h.mu.Lock()
		h.counted[kind]++
		h.mu.Unlock()
	}
	h.work.Wait()
	h.Clients.heal()
	h.Database.heal()
}

func (h *Havoc) once() (kind, what string) {
	down := time.Duration(h.Random.Int64N(int64(longestDown)))
	switch dice := h.Random.IntN(100); {
	case dice < 66:
		return "client connection", h.Clients.harm(h.Random, 9*time.Second)
	case dice < 70:
		return "all client connections", fmt.Sprintf("cut all %d client connections", h.Clients.cutAll())
	case dice < 80:
		return "database connection", h.about("database", h.Database.harm(h.Random, 4*time.Second))
	case dice < 85:
		return "walcast SIGKILL", h.restart(0, "walcast SIGKILL", down, func() { h.Walcast.End(syscall.SIGKILL) }, h.Walcast.Start)
	case dice < 87:
		return "walcast SIGTERM, then SIGKILL", h.restart(0, "walcast SIGTERM, then SIGKILL", down, func() { h.Walcast.cutShort(down / 4) }, h.Walcast.Start)
	case dice < 91:
		return "walcast SIGTERM", h.restart(0, "walcast SIGTERM", down, func() { h.Walcast.End(syscall.SIGTERM) }, h.Walcast.Start)
	case dice < 94:
		return "Postgres SIGKILL", h.restart(1, "Postgres SIGKILL", down, h.Postgres.Kill, h.startPostgres)
	case dice < 97:
		return "Postgres immediate", h.restart(1, "Postgres immediate", down, h.Postgres.StopImmediate, h.startPostgres)
	}
	return "Postgres fast", h.restart(1, "Postgres fast", down, h.stopPostgres, h.startPostgres)
}

func (h *Havoc) about(who, what string) string {
	if what == "" {
		return ""
	}
	return who + ": " + what
}

// restart ends a process and starts it again after a while, unless that is
// going on already.
func (h *Havoc) restart(which int, what string, down time.Duration, end func(), start func() error) string {
	if !h.busy[which].CompareAndSwap(false, true) {
		return ""
	}
	h.work.Go(func() {
		defer h.busy[which].Store(false)
		end()
		program.Wait(context.Background(), down)
		if err := start(); err != nil {
			h.blame("start after %s: %v", what, err)
		}
		h.Log.Note("started after %s", what)
	})
	return fmt.Sprintf("%s, down for %s", what, down.Round(time.Millisecond))
}

func (h *Havoc) startPostgres() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return h.Postgres.StartAgain(ctx)
}

// stopPostgres stops it as an operator does. Nobody may hold that up.
func (h *Havoc) stopPostgres() {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := h.Postgres.StopFast(ctx); err != nil {
		h.blame("%v", err)
		h.Postgres.Kill()
	}
}

func (h *Havoc) blame(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, Fault{Client: "havoc", Time: time.Now().UnixNano(), Text: fmt.Sprintf(format, args...)})
}

// Counted is how often each kind of misfortune has happened.
func (h *Havoc) Counted() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.counted)
}

// Faults are what must not happen when somebody does to a process what Havoc does.
func (h *Havoc) Faults() []Fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.faults)
}
