package policy

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"walcast/replication/wal"
)

// memories is what was last read of tables for roles, whatever has become of their
// Relations since: without it a row that is older than the last reading of the catalog
// cannot be judged.
type memories struct {
	mu      sync.Mutex
	known   map[memoryKey]*memory
	version uint64        // counts changes of what is kept over restarts
	changed chan struct{} // has a token if there were any
}

type memoryKey struct {
	oid  uint32
	role string
}

// mostMemories is how many memories are kept.
const mostMemories = 100_000

// memory is what was last read of a table for a role, for any of its Relations.
type memory struct {
	read  time.Time // when, by Postgres' clock; if it was restored, when it was last known by ours
	force force
	// announced is when the newest Relation was announced that was met until then, 0 if
	// no rows have come.
	announced wal.LSN
	next      uint32               // the first transaction that had not begun then
	access    map[dependency]found // nil if it was restored
	sum       uint64               // of all fingerprints that access depends on
}

// isRestored reports whether an earlier run has made it: then there is only its sum.
func (m *memory) isRestored() bool { return m.access == nil }

// newMemory is the memory of a reading.
func newMemory(r *reading, f force, announced wal.LSN) *memory {
	m := &memory{read: r.at, force: f, announced: announced, next: r.snapshot.next, access: make(map[dependency]found, len(r.access)), sum: r.sum()}
	for _, d := range r.access {
		m.access[d] = r.of(d)
	}
	return m
}

// sum is one fingerprint of all that access depends on. It has the identity of the row
// in pg_class too: while nobody looks, grants may be taken away and given back.
func (r *reading) sum() uint64 {
	sorted := slices.SortedFunc(slices.Values(r.access), func(a, b dependency) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.oid, b.oid))
	})
	sum := fnv.New64a()
	for _, d := range sorted {
		bytes := binary.LittleEndian.AppendUint32([]byte(d.kind), d.oid)
		bytes = binary.LittleEndian.AppendUint64(bytes, uint64(r.prints.of(d)))
		sum.Write(append(append(bytes, r.more[d]...), 0)) // of a hash, which never fails
	}
	return sum.Sum64()
}

// recall returns what was last read of a table for a role, nil if nothing was.
func (ms *memories) recall(key memoryKey) *memory {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return ms.known[key]
}

// remember keeps what was read, unless a later reading is kept already.
func (ms *memories) remember(key memoryKey, m *memory) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	last := ms.known[key]
	if last != nil && !last.isRestored() && last.read.After(m.read) {
		return
	}
	if len(ms.known) >= mostMemories && last == nil {
		clear(ms.known)
	}
	if last == nil || last.sum != m.sum || last.force != m.force {
		ms.version++
		select {
		case ms.changed <- struct{}{}:
		default:
		}
	}
	ms.known[key] = m
}

// adopt takes in what an earlier run has left. What was read since is newer.
func (ms *memories) adopt(restored map[memoryKey]*memory) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for key, m := range restored {
		if ms.known[key] == nil {
			ms.known[key] = m
		}
	}
}

// list returns all memories, and the version that they are of.
func (ms *memories) list() (all map[memoryKey]*memory, version uint64) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	return maps.Clone(ms.known), ms.version
}
