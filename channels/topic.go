package channels

import (
	"sync"

	"walcast/presence"
)

// topicKey names a topic. Public and private channels of one name are separate
// topics (wire reference 3.3).
type topicKey struct {
	name    string // with the prefix "realtime:"
	private bool
}

// topic is everybody who has joined one name.
type topic struct {
	hub *Hub
	key topicKey

	mu      sync.Mutex
	members map[*channel]struct{}
	state   *presence.State // who is present; nil before the first track
	touched bool            // a flush is due
	ghosts  []ghost         // of sockets that ended a moment ago, by their end
}

// subTopic is the name as users know it, without "realtime:".
func (k topicKey) subTopic() string { return k.name[len(topicPrefix):] }

const topicPrefix = "realtime:"

// enter adds a channel to its topic: whatever is sent after reply is called is
// for it. What it is owed of the past follows the reply, then who is present.
func (h *Hub) enter(key topicKey, ch *channel, reply func()) {
	t := h.listen(key, ch)
	defer t.mu.Unlock()
	reply()
	t.replay(ch)
	if ch.member.watches {
		t.sendState(ch)
	}
	ch.member.entered = true
}

// listen adds a channel to its topic, which it makes if need be and returns
// with its lock held.
func (h *Hub) listen(key topicKey, ch *channel) *topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[key]
	if t == nil {
		t = &topic{hub: h, key: key, members: map[*channel]struct{}{}}
		h.topics[key] = t
		h.metrics.topics.Inc()
	}
	ch.topic = t
	t.mu.Lock()
	t.members[ch] = struct{}{}
	return t
}

// leave takes a channel out of its topic, which goes with its last member.
func (h *Hub) leave(ch *channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := ch.topic
	t.mu.Lock()
	delete(t.members, ch)
	t.drop(ch)
	h.forget(t)
	t.mu.Unlock()
}

// forget takes a topic out that nobody is on. Called with h.mu and t.mu held.
func (h *Hub) forget(t *topic) {
	if len(t.members) == 0 && len(t.ghosts) == 0 && h.topics[t.key] == t {
		delete(h.topics, t.key)
		h.metrics.topics.Dec()
	}
}
