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
	Walcast  Nodes
	Postgres *devdb.Server
	Log      *program.Logbook
	Pause    time.Duration // between two misfortunes, on average

	bus     *bus // nil with one node
	work    sync.WaitGroup
	busy    []atomic.Bool // Postgres, each node: something is done to it already
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
	if h.bus != nil {
		h.bus.proxy.heal()
	}
}

// Unclean is when what clients with a client_id have was first left to chance, in Unix
// nanoseconds, 0 if it never was.
func (h *Havoc) Unclean() int64 {
	first := h.Walcast.Unclean()
	if h.bus == nil {
		return first
	}
	if at := h.bus.harmed.Load(); at != 0 && (first == 0 || at < first) {
		return at
	}
	return first
}

func (h *Havoc) once() (kind, what string) {
	down := time.Duration(h.Random.Int64N(int64(longestDown)))
	which := h.Random.IntN(len(h.Walcast))
	node := h.Walcast[which]
	on := func(what string) string { return h.on(which, what) }
	dice := h.Random.IntN(100)
	if h.bus != nil && dice >= 46 && dice < 66 {
		return h.amongNodes(dice, which, down)
	}
	switch {
	case dice < 66:
		return "client connection", h.Clients.harm(h.Random, 9*time.Second)
	case dice < 70:
		return "all client connections", fmt.Sprintf("cut all %d client connections", h.Clients.cutAll())
	case dice < 80:
		return "database connection", h.about("database", h.Database.harm(h.Random, 4*time.Second))
	case dice < 85:
		return "walcast SIGKILL", h.restart(1+which, on("SIGKILL"), down, func() { node.End(syscall.SIGKILL) }, node.Start)
	case dice < 87:
		return "walcast SIGTERM, then SIGKILL", h.restart(1+which, on("SIGTERM, then SIGKILL"), down, func() { node.cutShort(down / 4) }, node.Start)
	case dice < 91:
		return "walcast SIGTERM", h.restart(1+which, on("SIGTERM"), down, func() { node.End(syscall.SIGTERM) }, node.Start)
	case dice < 94:
		return "Postgres SIGKILL", h.restart(0, "Postgres SIGKILL", down, h.Postgres.Kill, h.startPostgres)
	case dice < 97:
		return "Postgres immediate", h.restart(0, "Postgres immediate", down, h.Postgres.StopImmediate, h.startPostgres)
	}
	return "Postgres fast", h.restart(0, "Postgres fast", down, h.stopPostgres, h.startPostgres)
}

// amongNodes is what can happen where there are several.
func (h *Havoc) amongNodes(dice, which int, down time.Duration) (kind, what string) {
	if dice < 60 {
		h.bus.harmed.CompareAndSwap(0, time.Now().UnixNano())
		return "bus connection", h.about("bus", h.bus.proxy.harm(h.Random, 9*time.Second))
	}
	lasts := 3 * down
	return "walcast frozen", h.restart(1+which, h.on(which, "SIGSTOP"), 0, func() { h.Walcast[which].freeze(lasts) }, func() error { return nil })
}

// on says what happens to a node.
func (h *Havoc) on(which int, what string) string {
	if len(h.Walcast) == 1 {
		return "walcast " + what
	}
	return fmt.Sprintf("walcast %d %s", which+1, what)
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
