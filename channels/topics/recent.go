package topics

import (
	"sync"
	"time"
)

// recentFor is how long a commit may be in the stream before queries see it:
// Postgres writes it to the WAL first.
const recentFor = 2 * time.Second

// recent remembers the stored messages that were relayed a moment ago. A client
// that joined just too late to get one live must find it in the archive.
type recent struct {
	mu       sync.Mutex
	messages []recentMessage // by time
}

type recentMessage struct {
	at  time.Time
	key Key
	id  string
}

// add notes a message before it is relayed.
func (r *recent) add(key Key, id string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(now)
	r.messages = append(r.messages, recentMessage{now, key, id})
}

// ids returns those of a topic.
func (r *recent) ids(key Key, now time.Time) (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(now)
	for _, m := range r.messages {
		if m.key == key {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// expire forgets what is old, with the room that it took.
func (r *recent) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.messages); n > 0 && now.Sub(r.messages[n-1].at) > recentFor {
		r.messages = nil
	}
}

// prune forgets what is old. Called with r.mu held.
func (r *recent) prune(now time.Time) {
	n := 0
	for n < len(r.messages) && now.Sub(r.messages[n].at) > recentFor {
		n++
	}
	if n > len(r.messages)/2 { // moving them each time would cost too much
		r.messages = append(r.messages[:0], r.messages[n:]...)
	}
}
