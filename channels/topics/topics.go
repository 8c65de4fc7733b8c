package topics

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"walcast/protocol"
)

// Topics are the topics of a project that channels have joined. It is safe for
// concurrent use.
type Topics struct {
	config     Config
	logger     *slog.Logger
	metrics    *metrics
	past       *Past
	recent     recent
	complaints rate.Sometimes // when to log what is wrong with messages from SQL

	mu    sync.Mutex // taken before a topic's own lock
	byKey map[protocol.Topic]*topic
}

// New returns topics that nobody has joined.
func New(c Config, logger *slog.Logger, reg prometheus.Registerer) *Topics {
	past := newPast(c.Window, c.MaxTopics, time.Now())
	past.nodes = c.Nodes
	return &Topics{
		config:     c,
		logger:     logger,
		metrics:    newMetrics(reg, past),
		past:       past,
		complaints: rate.Sometimes{First: 10, Interval: time.Second},
		byKey:      map[protocol.Topic]*topic{},
	}
}

// Past is what was broadcast lately.
func (s *Topics) Past() *Past { return s.past }

// Expire drops what was kept for long enough.
func (s *Topics) Expire(now time.Time) {
	s.past.Expire(now)
	s.recent.expire(now)
}

// Publish sends a broadcast that comes from no channel to all members of a
// topic. An error is that of Member.Broadcast.
func (s *Topics) Publish(key protocol.Topic, b protocol.Broadcast) error {
	return s.publish(key, Carried{Broadcast: b})
}

func (s *Topics) publish(key protocol.Topic, c Carried) error {
	parcel, err := s.pack(key, c)
	if err != nil {
		return err
	}
	s.withTopic(key, func(t *topic) {
		c.Origin, err = send(parcel)
		t.publish(c, nil)
	}, func() *topic {
		c.Origin, err = send(parcel)
		s.past.note(key, c, time.Now()) // before a channel can join, which then finds it
		return nil
	})
	return err
}

// withTopic calls do with a topic while the topic's lock is held. If nobody has
// joined the topic it calls absent first, while s.mu is held: absent returns a
// new topic, or nil, and then do is not called.
func (s *Topics) withTopic(key protocol.Topic, do func(*topic), absent func() *topic) {
	for {
		t := s.find(key, absent)
		if t == nil || t.with(do) {
			return
		}
	}
}

func (s *Topics) find(key protocol.Topic, absent func() *topic) *topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.byKey[key]; t != nil {
		return t
	}
	return absent()
}

// create makes a topic. s.mu must be held.
func (s *Topics) create(key protocol.Topic) *topic {
	t := &topic{key: key, past: s.past, members: map[*Member]struct{}{}}
	s.byKey[key] = t
	if s.config.Nodes != nil {
		s.config.Nodes.Hold(key, Members)
	}
	s.metrics.topics.Inc()
	return t
}

// drop takes out a topic without members.
func (s *Topics) drop(t *topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.end() {
		delete(s.byKey, t.key)
		s.metrics.topics.Dec()
		if s.config.Nodes != nil && s.config.Nodes.Release(t.key, Members) {
			s.past.miss(t.key) // what other nodes broadcast now
		}
	}
}
