package gateway

import (
	"sync"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/protocol"
)

// backlog is the memory of what waits for slow sessions, all together: bytes that
// several of them wait for, as of a row or of a presence_state, count once. It is safe
// for concurrent use. A nil backlog has no limit.
type backlog struct {
	limit int // bytes, 0 for none

	mu       sync.Mutex
	sessions int // that are slow
	bytes    int
	held     map[*byte]int // by the start of a piece of a frame: by how many queues
}

const (
	// slowFrom is how many bytes wait for a session that counts as slow, until it
	// has caught up.
	slowFrom = 64 << 10
	// frameBytes is what a frame takes beside its content, at least.
	frameBytes = 128
)

func newBacklog(limit int) *backlog { return &backlog{limit: limit, held: map[*byte]int{}} }

// begin counts a session that has become slow, with the frames that wait for it.
func (b *backlog) begin(frames []*protocol.Frame) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions++
	b.hold(frames...)
}

// end takes back begin when nothing waits any more.
func (b *backlog) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions--
}

// add counts one more frame of a slow session.
func (b *backlog) add(f *protocol.Frame) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hold(f)
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
}

// exceeds reports whether all that waits is too much, and a session with so many
// bytes has more of it than its share.
func (b *backlog) exceeds(bytes int) bool {
	if b == nil || b.limit == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes > b.limit && bytes > b.limit/max(1, b.sessions)
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
