package topics

import (
	"walcast/protocol"
	"walcast/replication/wal"
)

// Outbox is all that a member needs to know of its session. Push never blocks and
// is safe for concurrent use.
type Outbox interface {
	Push(*protocol.Frame)
}

// MemberConfig says which channel joins a topic and what it gets.
type MemberConfig struct {
	Address   protocol.Address
	Outbox    Outbox
	Client    string     // client_id, "" for none
	Returning *Returning // nil without a client_id
	Self      bool       // it gets its own broadcasts too
	Deaf      bool       // it gets no broadcasts, as Listen(false)
	Replays   bool       // it asked for a replay: live broadcasts wait for Replay
}

// Returning is what a client with a client_id has had of a topic that it joins.
type Returning struct {
	Heard    uint64       // the number up to which it has every broadcast, 0 for a new one
	Position wal.Position // where its changes go on, to be told with a resync
	Told     bool         // it is told to resync for other reasons already
	Misses   bool         // it may lack broadcasts that nobody has any more
	// Elsewhere is what it has missed, as the node that it comes from has kept it. What is
	// kept here, too, comes once.
	Elsewhere []Carried

	// What follows is the member's, and guarded by the topic's lock.
	alarm  Alarm // nil until it is set
	misses bool  // the client is to be told then
}

// Member is one channel's part in its topic. It is safe for concurrent use.
type Member struct {
	topics      *Topics
	topic       *topic
	config      MemberConfig
	heardAtJoin uint64
	past        *topicPast // the topic's kept broadcasts; nil without a client_id

	// What follows is guarded by the topic's lock.
	deaf     bool
	left     bool
	owed     *owed               // nil once a replay is over, or without one
	replayed map[string]struct{} // ids of messages that came with a replay and not from the log yet
}

// Join adds a channel to a topic. It first gets what its client has missed,
// then everything that is broadcast from now on.
func (s *Topics) Join(key protocol.Topic, c MemberConfig) *Member {
	m := &Member{topics: s, config: c, deaf: c.Deaf}
	if c.Replays {
		m.owed = &owed{}
	}
	s.withTopic(key, func(t *topic) {
		t.add(m)
		t.retell(m)
	}, func() *topic { return s.create(key) })
	return m
}

// Broadcast sends to all other members, and to this one if it asked for its own
// broadcasts. An error is a protocol.Refusal: the broadcast is too large for the bus of
// the cluster, and nobody gets it; or the bus cannot take it, and members here do alone.
func (m *Member) Broadcast(b protocol.Broadcast) error {
	return m.topics.broadcast(m, Carried{Broadcast: b, Client: m.config.Client})
}

// Listen sets whether the member gets broadcasts from now on.
func (m *Member) Listen(listens bool) {
	m.topic.mu.Lock()
	defer m.topic.mu.Unlock()
	m.deaf = !listens
}

// HeardAtJoin is the number up to which every broadcast is had by a client with
// a client_id, once it has what its join brought.
func (m *Member) HeardAtJoin() uint64 { return m.heardAtJoin }

// Heard is the number up to which every broadcast has been pushed. It is 0 if
// that is not known, as while a replay is awaited.
func (m *Member) Heard() uint64 {
	m.topic.mu.Lock()
	defer m.topic.mu.Unlock()
	if m.owed != nil {
		return 0
	}
	return m.topics.past.heard()
}

// Leave takes the member out of its topic. When it returns nothing is pushed for
// it any more.
func (m *Member) Leave() {
	if m.topic.remove(m) {
		m.topics.drop(m.topic)
	}
}
