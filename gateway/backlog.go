package gateway

import (
	"cmp"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/protocol"
)

// backlog is the memory of what waits for slow sessions, all together: bytes that
// several of them wait for, as of a row or of a presence_state, count once. It is safe
// for concurrent use. A nil backlog has no limit.
type backlog struct {
	limit int         // bytes, 0 for none
	over  atomic.Bool // more than limit waits

	// relief is held while sessions are closed to make room: who comes for the same finds the
	// room that these have made. It is taken before the locks of queues.
	relief sync.Mutex

	mu    sync.Mutex
	slow  map[*holding]struct{}
	begun uint64 // how many sessions have become slow
	bytes int
	held  map[*byte]int // by the start of a piece of a frame: by how many queues
}

// holding is what a slow session has of the backlog, guarded by its lock.
type holding struct {
	session    *session
	since      uint64 // which slow session it was
	bytes, all int    // that wait, without and with a large frame that does not count
}

const (
	// slowFrom is how many bytes wait for a session that counts as slow, until it
	// has caught up.
	slowFrom = 64 << 10
	// frameBytes is what a frame takes beside its content, at least.
	frameBytes = 128
)

func newBacklog(limit int) *backlog {
	return &backlog{limit: limit, slow: map[*holding]struct{}{}, held: map[*byte]int{}}
}

// begin counts a session that has become slow, with the frames that wait for it.
func (b *backlog) begin(s *session, frames []*protocol.Frame) *holding {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun++
	h := &holding{session: s, since: b.begun}
	b.slow[h] = struct{}{}
	b.hold(frames...)
	return h
}

// end takes back begin when nothing waits any more.
func (b *backlog) end(h *holding) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.slow, h)
}

// add counts one more frame of a slow session, with which so much waits for it.
func (b *backlog) add(h *holding, f *protocol.Frame, bytes, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h.bytes, h.all = bytes, all
	b.hold(f)
}

// note says how much waits for a slow session.
func (b *backlog) note(h *holding, bytes, all int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h.bytes, h.all = bytes, all
}

// hold counts what no queue has yet. b.mu is held.
func (b *backlog) hold(frames ...*protocol.Frame) {
	var pieces [3][]byte
	for _, f := range frames {
		for _, piece := range f.AppendPieces(pieces[:0]) {
			at := unsafe.SliceData(piece)
			if b.held[at]++; b.held[at] == 1 {
				b.bytes += frameBytes + len(piece)
			}
		}
	}
	b.compare()
}

// remove takes frames out that have been written, or never will be.
func (b *backlog) remove(frames ...*protocol.Frame) {
	if b == nil || len(frames) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var pieces [3][]byte
	for _, f := range frames {
		for _, piece := range f.AppendPieces(pieces[:0]) {
			at := unsafe.SliceData(piece)
			if b.held[at]--; b.held[at] == 0 {
				delete(b.held, at)
				b.bytes -= frameBytes + len(piece)
			}
		}
	}
	b.compare()
}

// compare sets over. b.mu is held.
func (b *backlog) compare() {
	if over := b.limit > 0 && b.bytes > b.limit; over != b.over.Load() {
		b.over.Store(over)
	}
}

// isOver reports whether too much waits. It takes no lock: each frame that is pushed asks.
func (b *backlog) isOver() bool { return b != nil && b.over.Load() }

// largest takes the session out for which most waits, of several the one that has been slow for
// the longest time; nil if there is room again, or no slow session is left. A large frame that
// does not count decides only among those that have little else.
func (b *backlog) largest() *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit == 0 || b.bytes <= b.limit || len(b.slow) == 0 {
		return nil
	}
	var most *holding
	for h := range b.slow {
		if most == nil || h.hasMoreThan(most) {
			most = h
		}
	}
	delete(b.slow, most)
	return most.session
}

func (h *holding) hasMoreThan(other *holding) bool {
	counted := func(h *holding) int {
		if h.bytes > slowFrom {
			return h.bytes
		}
		return 0
	}
	return cmp.Or(cmp.Compare(counted(h), counted(other)), cmp.Compare(h.all, other.all), cmp.Compare(other.since, h.since)) > 0
}

// exceeds reports whether all that waits is too much, and a session with so many
// bytes has more of it than its share.
func (b *backlog) exceeds(bytes int) bool {
	if !b.isOver() {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes > b.limit && bytes > b.limit/max(1, len(b.slow))
}

// size is how many bytes wait.
func (b *backlog) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

func registerBacklog(reg prometheus.Registerer, b *backlog) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "walcast_gateway_backlog_bytes",
		Help: "Memory of what waits for slow sessions.",
	}, func() float64 { return float64(b.size()) })
}
