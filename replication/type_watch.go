package replication

import (
	"sync"
	"sync/atomic"

	"walcast/replication/wal"
)

// typeWatch is what the reader is told of types: no message of the stream says
// that a label or field of one has another name, or that fields were replaced. It
// is safe for concurrent use.
type typeWatch struct {
	found func(types []uint32) // see Config.TypesFound; nil tells nobody

	waiting atomic.Bool // changed is not empty
	mu      sync.Mutex
	told    map[uint32]bool
	changed []uint32
}

// change has take return these types, by OID, too.
func (w *typeWatch) change(types []uint32) {
	if len(types) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = append(w.changed, types...)
	w.waiting.Store(true)
}

// take returns what has changed since it was called last.
func (w *typeWatch) take() []uint32 {
	if w == nil || !w.waiting.Load() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.changed
	w.changed = nil
	w.waiting.Store(false)
	return changed
}

// described tells of types that were not told of yet, with those that they are
// made of.
func (w *typeWatch) described(types map[uint32]*wal.Type) {
	if w == nil || w.found == nil {
		return
	}
	if found := w.note(types); len(found) > 0 {
		w.found(found)
	}
}

func (w *typeWatch) note(types map[uint32]*wal.Type) (found []uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told == nil {
		w.told = map[uint32]bool{}
	}
	for _, t := range types {
		for part := range t.Parts() {
			if wal.BuiltinType(part.OID) == nil && !w.told[part.OID] {
				w.told[part.OID] = true
				found = append(found, part.OID)
			}
		}
	}
	return found
}
