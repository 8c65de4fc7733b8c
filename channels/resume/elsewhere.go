package resume

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

const (
	// elsewhereBytes bounds what is remembered of the clients of other servers.
	elsewhereBytes = 16 << 20
	// elsewhereSize is about how many bytes one takes.
	elsewhereSize = 32
)

// elsewhere is which clients other servers of the database have announced. Each is
// kept for as long as a client may be away, and for twice that at most. It is not
// safe for concurrent use.
type elsewhere struct {
	generations[uint64, struct{}]
}

func newElsewhere(maxBytes int, keep time.Duration) elsewhere {
	return elsewhere{newGenerations[uint64, struct{}](maxBytes, elsewhereSize, keep)}
}

// add notes clients. forgotten says that there was no room, and that all before
// were forgotten: no client can be told from a new one by them.
func (e *elsewhere) add(clients []uint64, now time.Time) (forgotten bool) {
	e.age(now)
	for _, client := range clients {
		if e.put(client, struct{}{}) {
			forgotten = true
		}
	}
	return forgotten
}

// take reports whether another server has announced a client, and forgets that: the
// client is here now. If it goes back, the other server announces it again.
func (e *elsewhere) take(client uint64) (was bool) {
	_, was = e.get(client)
	e.drop(client)
	return was
}

// elsewhereSection keeps over a restart which clients others have announced: they
// may be down when this server is up again.
type elsewhereSection struct{ c *Clients }

// savedElsewhere is a line of it.
type savedElsewhere struct {
	Turn    time.Time
	Older   bool `json:",omitempty"`
	Clients []byte
}

func (elsewhereSection) Name() string { return "Elsewhere" }

func (s elsewhereSection) Save(write func(v any) error) error {
	for _, line := range s.lines() {
		if err := write(line); err != nil {
			return err
		}
	}
	return nil
}

func (s elsewhereSection) lines() (lines []savedElsewhere) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	e := &s.c.records.peers.elsewhere
	for i, set := range []map[uint64]struct{}{e.recent, e.older} {
		for clients := range slices.Chunk(slices.Collect(maps.Keys(set)), announceLimit) {
			line := savedElsewhere{Turn: e.turn, Older: i == 1}
			for _, client := range clients {
				line.Clients = binary.BigEndian.AppendUint64(line.Clients, client)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func (s elsewhereSection) Restore(text json.RawMessage) error {
	var line savedElsewhere
	if err := json.Unmarshal(text, &line); err != nil {
		return err
	}
	if len(line.Clients)%8 != 0 {
		return errors.New("its clients are damaged")
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	e := &s.c.records.peers.elsewhere
	set := e.recent
	if line.Older {
		set = e.older
	}
	e.turn = line.Turn
	for b := line.Clients; len(b) > 0; b = b[8:] {
		set[binary.BigEndian.Uint64(b)] = struct{}{}
	}
	return nil
}

func (elsewhereSection) Restored() {}

func (s elsewhereSection) Clear() { s.Reset() }

func (s elsewhereSection) Reset() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	e := &s.c.records.peers.elsewhere
	e.forgetAll()
	e.turn = time.Time{}
}
