package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// havoc harms connections and kills processes at random.
type havoc struct {
	random   *rand.Rand
	clients  *proxy // between the clients and walcast
	database *proxy // between walcast and Postgres
	walcast  *process
	postgres *devdb.Server
	log      *program.Logbook
	pause    time.Duration // between two misfortunes, on average

	work    sync.WaitGroup
	busy    [2]atomic.Bool // walcast, Postgres: it is being restarted
	mu      sync.Mutex
	faults  []Fault
	counted map[string]int
}

// What can happen to a process, and how long it stays down at most.
const longestDown = 3 * time.Second

// wreak goes on until ctx is done, and returns when everything runs again.
func (h *havoc) wreak(ctx context.Context) {
	h.counted = map[string]int{}
	for program.Wait(ctx, time.Duration(h.random.Int64N(int64(2*h.pause)))) {
		kind, what := h.once()
		if what == "" {
			continue
		}
		h.log.Note("%s", what)
		h.mu.Lock()
		h.counted[kind]++
		h.mu.Unlock()
	}
	h.work.Wait()
	h.clients.heal()
	h.database.heal()
}

func (h *havoc) once() (kind, what string) {
	down := time.Duration(h.random.Int64N(int64(longestDown)))
	switch dice := h.random.IntN(100); {
	case dice < 66:
		return "client connection", h.clients.harm(h.random, 9*time.Second)
	case dice < 70:
		return "all client connections", fmt.Sprintf("cut all %d client connections", h.clients.cutAll())
	case dice < 80:
		return "database connection", h.about("database", h.database.harm(h.random, 4*time.Second))
	case dice < 85:
		return "walcast SIGKILL", h.restart(0, "walcast SIGKILL", down, func() { h.walcast.end(syscall.SIGKILL) }, h.walcast.start)
	case dice < 87:
		return "walcast SIGTERM, then SIGKILL", h.restart(0, "walcast SIGTERM, then SIGKILL", down, func() { h.walcast.cutShort(down / 4) }, h.walcast.start)
	case dice < 91:
		return "walcast SIGTERM", h.restart(0, "walcast SIGTERM", down, func() { h.walcast.end(syscall.SIGTERM) }, h.walcast.start)
	case dice < 94:
		return "Postgres SIGKILL", h.restart(1, "Postgres SIGKILL", down, h.postgres.Kill, h.startPostgres)
	case dice < 97:
		return "Postgres immediate", h.restart(1, "Postgres immediate", down, h.postgres.StopImmediate, h.startPostgres)
	}
	return "Postgres fast", h.restart(1, "Postgres fast", down, h.stopPostgres, h.startPostgres)
}

func (h *havoc) about(who, what string) string {
	if what == "" {
		return ""
	}
	return who + ": " + what
}

// restart ends a process and starts it again after a while, unless that is
// going on already.
func (h *havoc) restart(which int, what string, down time.Duration, end func(), start func() error) string {
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
		h.log.Note("started after %s", what)
	})
	return fmt.Sprintf("%s, down for %s", what, down.Round(time.Millisecond))
}

func (h *havoc) startPostgres() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return h.postgres.StartAgain(ctx)
}

// stopPostgres stops it as an operator does. Nobody may hold that up.
func (h *havoc) stopPostgres() {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := h.postgres.StopFast(ctx); err != nil {
		h.blame("%v", err)
		h.postgres.Kill()
	}
}

func (h *havoc) blame(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = append(h.faults, Fault{Client: "havoc", Time: time.Now().UnixNano(), Text: fmt.Sprintf(format, args...)})
}
