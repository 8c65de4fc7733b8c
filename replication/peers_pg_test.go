package replication

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// heardOf notes what a reader hears of others.
type heardOf struct {
	mu    sync.Mutex
	notes []string
}

func (h *heardOf) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

func (h *heardOf) has(notes ...string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Equal(h.notes, notes)
}

func (h *heardOf) listen(s *setup) {
	s.config.PeerFound = func(slot string, begins bool) { h.note("%s begins %t", slot, begins) }
	s.config.PeerClients = func(clients []uint64) { h.note("clients %v", clients) }
}

func TestReadersHearOfEachOtherAndOfTheirClients(t *testing.T) {
	t.Parallel()
	db := orders(t)
	var a, b heardOf
	onA := startReader(t, db, holding(), a.listen)
	onB := startReader(t, db, holding(), b.listen, func(s *setup) { s.config.Slot = "b_" + s.config.Slot })
	slotOfA, slotOfB := db.Name, "b_"+db.Name
	onA.until("a to hear that b begins", func() bool { return a.has(slotOfB + " begins true") })
	for _, r := range []*reading{onA, onB} {
		if err := r.reader.AnnounceClients(t.Context(), []uint64{1, 1 << 63}); err != nil {
			t.Fatal(err)
		}
	}
	if err := onB.reader.AnnounceClients(t.Context(), nil); err != nil { // as an answer
		t.Fatal(err)
	}
	onA.until("a to hear of b's clients", func() bool {
		return a.has(slotOfB+" begins true", slotOfB+" begins false", "clients [1 9223372036854775808]", slotOfB+" begins false")
	})
	onB.until("b to hear of a's clients", func() bool { return b.has(slotOfA+" begins false", "clients [1 9223372036854775808]") })
	db.Exec(`insert into orders values (1, 'a')`)
	onA.want("INSERT orders 1 a") // the messages are not for consumers
	onB.want("INSERT orders 1 a")
}
