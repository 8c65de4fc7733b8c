package topics

import (
	"sync"
	"time"

	"walcast/protocol"
)

// recentFor is how long a commit may be in the log before queries see it, as
// Postgres writes it to the WAL first.
const recentFor = 2 * time.Second

// recent remembers the stored messages that were delivered a moment ago. A
// member that joined just too late to get one from the log must find it in the
// archive.
type recent struct {
	mu       sync.Mutex
	messages []recentMessage // by time
}

type recentMessage struct {
	at  time.Time
	key protocol.Topic
	id  string
}

// add notes a message before it is delivered.
func (r *recent) add(key protocol.Topic, id string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(now)
	r.messages = append(r.messages, recentMessage{now, key, id})
}

// ids returns the ids of the messages on a topic.
func (r *recent) ids(key protocol.Topic, now time.Time) (ids []string) {
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

// expire forgets old messages, and gives their memory back.
func (r *recent) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.messages); n > 0 && now.Sub(r.messages[n-1].at) > recentFor {
		r.messages = nil
	}
}

// prune forgets old messages. r.mu must be held.
func (r *recent) prune(now time.Time) {
	n := 0
	for n < len(r.messages) && now.Sub(r.messages[n].at) > recentFor {
		n++
	}
	if n > len(r.messages)/2 { // moving them each time would cost too much
		r.messages = append(r.messages[:0], r.messages[n:]...)
	}
}
