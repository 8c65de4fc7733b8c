package spread

import (
	"sync"
	"time"
)

// mentionSlots make half a megabyte.
const mentionSlots = 1 << 16

// mentions is when each topic was last broadcast to on any node, as far as summaries have
// told, or a later time, as topics share slots. Its size is fixed. It is safe for
// concurrent use.
type mentions struct {
	began time.Time // nothing is known of the time before

	mu    sync.Mutex
	floor time.Duration   // nor of that from began until then
	slots []time.Duration // from began on; nil before the first
}

func newMentions() *mentions { return &mentions{began: time.Now()} }

// note notes that something was broadcast to a topic.
func (m *mentions) note(digest uint64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots == nil {
		m.slots = make([]time.Duration, mentionSlots)
	}
	m.slots[digest%mentionSlots] = now.Sub(m.began)
}

// noteAll notes that something may have been broadcast to any topic.
func (m *mentions) noteAll(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.floor = now.Sub(m.began)
}

// silent reports whether nothing was broadcast to a topic since a time.
func (m *mentions) silent(digest uint64, since time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := since.Sub(m.began)
	return m.floor < at && (m.slots == nil || m.slots[digest%mentionSlots] < at)
}
