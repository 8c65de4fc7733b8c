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
	mu    sync.Mutex
	floor time.Time   // nothing is known of the time before
	slots []time.Time // nil before the first
}

func newMentions() *mentions { return &mentions{floor: time.Now()} }

// note notes that something was broadcast to a topic.
func (m *mentions) note(digest uint64, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots == nil {
		m.slots = make([]time.Time, mentionSlots)
	}
	m.slots[digest%mentionSlots] = now
}

// noteAll notes that something may have been broadcast to any topic.
func (m *mentions) noteAll(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.floor = now
}

// silent reports whether nothing was broadcast to a topic since a time.
func (m *mentions) silent(digest uint64, since time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.floor.Before(since) && (m.slots == nil || m.slots[digest%mentionSlots].Before(since))
}
