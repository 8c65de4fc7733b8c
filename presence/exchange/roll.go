package exchange

import (
	"sync"
	"time"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// interest is a topic that somebody is on here.
type interest struct {
	digest
	topic     protocol.Topic
	stay      uint64        // tells it from those of the same topic before, from 1 on
	settled   chan struct{} // closed with isSettled
	isSettled bool          // what other nodes have is here, as far as that can be known
	awaits    map[*source]struct{}
	listens   bool   // to other nodes
	stop      func() // ends the subscription; of the goroutine that tends
}

// roll is the topics that somebody is on here, and the other nodes. It is safe for
// concurrent use, and knows nothing of rooms: those call it.
type roll struct {
	mu        sync.Mutex
	stays     uint64 // how many interests there have been
	topics    map[protocol.Topic]*interest
	byDigest  map[digest]*interest
	sources   map[string]*source
	unsettled map[*interest]struct{}
	fresh     []*interest // to be listened to
	ended     []*interest // not to be any more
}

func newRoll() *roll {
	return &roll{
		topics: map[protocol.Topic]*interest{}, byDigest: map[digest]*interest{},
		sources: map[string]*source{}, unsettled: map[*interest]struct{}{},
	}
}

// hold notes that somebody is on a topic.
func (r *roll) hold(t protocol.Topic) {
	i := &interest{digest: digestOf(t), topic: t, settled: make(chan struct{}), awaits: map[*source]struct{}{}}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stays++
	i.stay = r.stays
	r.topics[t], r.byDigest[i.digest] = i, i
	r.unsettled[i] = struct{}{}
	r.fresh = append(r.fresh, i)
}

// release notes that nobody is any more.
func (r *roll) release(t protocol.Topic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.topics[t]
	if i == nil {
		return
	}
	delete(r.topics, t)
	if r.byDigest[i.digest] == i {
		delete(r.byDigest, i.digest)
	}
	for _, s := range r.sources {
		s.got(i)
	}
	r.settle(i)
	r.ended = append(r.ended, i)
}

// settledOf is closed once what other nodes have of a topic is here; nil if nobody is on
// it.
func (r *roll) settledOf(t protocol.Topic) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.topics[t]; i != nil {
		return i.settled
	}
	return nil
}

// changed takes what is to be listened to, and what is not any more, in this order.
func (r *roll) changed() (fresh, ended []*interest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh, ended = r.fresh, r.ended
	r.fresh, r.ended = nil, nil
	return fresh, ended
}

// listened notes that topics are listened to now: all nodes are to be asked for them.
func (r *roll) listened(fresh []*interest, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range fresh {
		if r.topics[i.topic] != i {
			continue
		}
		i.listens = true
		for _, s := range r.sources {
			if s.gone {
				continue
			}
			s.want(i)
			if now.Sub(s.heard) < sourceAwaited {
				i.awaits[s] = struct{}{}
			}
		}
		if len(i.awaits) == 0 {
			r.settle(i)
		}
	}
}

// settle ends the wait for other nodes. r.mu must be held.
func (r *roll) settle(i *interest) {
	delete(r.unsettled, i)
	if !i.isSettled {
		i.isSettled = true
		close(i.settled)
	}
}

// hears notes that a message of a node has come about a topic. ok is false if nobody is on
// it here, or if the node is not known, which its summaries will change; and of an answer,
// that has a stay, if who has asked for it has left: what is here by now is not what the
// answer goes by.
func (r *roll) hears(run string, d digest, stay uint64, now time.Time) (t protocol.Topic, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, i := r.sources[run], r.byDigest[d]
	if s == nil || s.gone || i == nil || stay != 0 && stay != i.stay {
		return t, false
	}
	s.heard = now
	return i.topic, true
}

// topicOf is the topic of a digest, if somebody is on it here.
func (r *roll) topicOf(d digest) (t protocol.Topic, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.byDigest[d]
	if i == nil {
		return t, false
	}
	return i.topic, true
}

// want has a node be asked for topics of which something has not come. It returns how many
// were not asked for already.
func (r *roll) want(run string, digests ...digest) (news int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sources[run]
	if s == nil || s.gone {
		return 0
	}
	for _, d := range digests {
		if i := r.byDigest[d]; i != nil && i.listens && s.want(i) {
			news++
		}
	}
	return news
}

// got notes that a node has answered for a topic.
func (r *roll) got(run string, d digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, i := r.sources[run], r.byDigest[d]
	if s == nil || i == nil {
		return
	}
	s.got(i)
	if delete(i.awaits, s); len(i.awaits) == 0 && i.listens {
		r.settle(i)
	}
}

// compare takes in a summary. It returns which of its news are about topics that somebody
// is on here, and are to be compared. isNew says that the node was not known, or counted as
// gone: it will be asked for everything. misses says the same as more was sent than the
// summary tells.
func (r *roll) compare(run string, m summary, now time.Time) (check []checked, isNew, misses bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sources[run]
	switch {
	case m.bye:
		if s != nil {
			s.heard = now.Add(-sourceAge) // the grace time begins
			r.leave(s)
		}
		return nil, false, false
	case s == nil && len(r.sources) >= maxSources:
		return nil, false, false
	case s == nil:
		s = &source{run: run, wanted: map[*interest]time.Time{}}
		r.sources[run], isNew = s, true
	case s.gone:
		isNew = true
	}
	s.heard, s.gone = now, false
	misses = m.From > s.checked && !isNew
	if isNew || misses {
		for _, i := range r.topics {
			if i.listens {
				s.want(i)
			}
		}
	}
	for _, n := range m.News {
		if i := r.byDigest[n.Topic]; i != nil && n.Number > s.checked {
			check = append(check, checked{i.topic, n})
		}
	}
	s.checked = m.Number
	return check, isNew, misses
}

// checked is news about a topic that somebody is on here.
type checked struct {
	topic protocol.Topic
	news  nodes.News[digest]
}

// leave has nobody wait for a node. r.mu must be held.
func (r *roll) leave(s *source) {
	s.leave()
	for i := range r.unsettled {
		if delete(i.awaits, s); len(i.awaits) == 0 && i.listens {
			r.settle(i)
		}
	}
}

// expire has nodes that are silent count as gone, and returns those that have been for the
// grace time, which it forgets.
func (r *roll) expire(now time.Time, grace time.Duration) (over []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for run, s := range r.sources {
		silent := now.Sub(s.heard)
		if silent >= sourceAge && !s.gone {
			r.leave(s)
		}
		if silent >= sourceAge+grace {
			delete(r.sources, run)
			over = append(over, run)
		}
		s.overdue(now)
	}
	return over
}

// forgive has all nodes count as heard of: this one was away, and not they.
func (r *roll) forgive(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sources {
		if !s.gone {
			s.heard = now
		}
	}
}

// due takes what is to be asked of each node now.
func (r *roll) due(now time.Time) map[string][]*interest {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all map[string][]*interest
	for run, s := range r.sources {
		if due := s.due(now); len(due) > 0 {
			if all == nil {
				all = map[string][]*interest{}
			}
			all[run] = due
		}
	}
	return all
}

// size is how many topics somebody is on.
func (r *roll) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.topics)
}
