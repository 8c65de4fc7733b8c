package spread

import (
	"sync"
	"time"

	"walcast/channels/topics"
	"walcast/protocol"
)

// roundLimit is how long other nodes may take to answer a question.
const roundLimit = 500 * time.Millisecond

// hearing is what this node is to get of others, and has got. It is safe for concurrent
// use.
type hearing struct {
	mu        sync.Mutex
	interests map[protocol.Topic]*interest
	byDigest  map[uint64]*interest
	sources   map[string]*source
	fresh     []*interest // to be listened to
	ended     []*interest // not to be any more
	asking    []*interest // listened to, and other nodes are to be asked whether they know
	waiting   []*fence    // the same of who waits at a fence
	rounds    map[uint64]*round
	newest    uint64 // round
	last      *round // of this number
	mentions  *mentions
}

// round is a question to all nodes: what was listened to before it, they know when they
// answer.
type round struct {
	interests []*interest
	fences    []*fence
	awaits    map[*source]struct{}
	misses    bool // not all sources that are kept in mind have answered, or will
	began     time.Time
}

func newHearing() *hearing {
	return &hearing{
		interests: map[protocol.Topic]*interest{}, byDigest: map[uint64]*interest{},
		sources: map[string]*source{}, rounds: map[uint64]*round{}, mentions: newMentions(),
	}
}

// hold notes that a topic is needed. isNew says that it was not.
func (h *hearing) hold(key protocol.Topic, by topics.Holder) (isNew bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := h.interests[key]; i != nil {
		i.held |= by
		return false
	}
	i := &interest{key: key, address: addressOf(key), held: by, settled: make(chan struct{})}
	h.interests[key], h.byDigest[i.digest] = i, i
	h.fresh = append(h.fresh, i)
	return true
}

// release notes that a topic is not needed any more by somebody. ended says that it is
// not by anybody.
func (h *hearing) release(key protocol.Topic, by topics.Holder) (ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.interests[key]
	if i == nil {
		return false
	}
	if i.held &^= by; i.held != 0 {
		return false
	}
	i.settle()
	delete(h.interests, key)
	if h.byDigest[i.digest] == i {
		delete(h.byDigest, i.digest)
	}
	h.ended = append(h.ended, i)
	return true
}

// changed takes what is to be listened to, and what is not any more, in this order.
func (h *hearing) changed() (fresh, ended []*interest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fresh, ended = h.fresh, h.ended
	h.fresh, h.ended = nil, nil
	return fresh, ended
}

// listened notes that topics are listened to now.
func (h *hearing) listened(fresh []*interest) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asking = append(h.asking, fresh...)
}

// settled is closed once the topic comes from other nodes, as far as that can be known;
// nil if it is not needed.
func (h *hearing) settled(key protocol.Topic) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := h.interests[key]; i != nil {
		return i.settled
	}
	return nil
}

// ask begins a round for all that are to be asked about. It returns 0 if nobody has to
// be asked. While a round is young the next waits, and waits is true.
func (h *hearing) ask(now time.Time, young time.Duration) (number uint64, waits bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asking)+len(h.waiting) == 0 {
		return 0, false
	}
	if last := h.last; last != nil && len(last.awaits) > 0 && now.Sub(last.began) < young {
		return 0, true
	}
	r := &round{interests: h.asking, fences: h.waiting, awaits: map[*source]struct{}{}, began: now}
	h.asking, h.waiting = nil, nil
	for _, s := range h.sources {
		if now.Sub(s.heard) < sourceAwaited {
			r.awaits[s] = struct{}{}
		} else {
			r.misses = true
		}
	}
	if len(r.awaits) == 0 {
		for _, f := range r.settle() {
			f.end()
		}
		return 0, false
	}
	h.newest++
	number = h.newest
	if len(r.fences) > 0 {
		number |= fenceRound
	}
	h.rounds[number], h.last = r, r
	return number, false
}

// settle ends the wait of what a round is about. Fences are to be ended after topics have
// been told what they miss.
func (r *round) settle() []*fence {
	for _, i := range r.interests {
		i.settle()
	}
	for _, f := range r.fences {
		f.misses = r.misses
	}
	return r.fences
}

// answered takes in the answer to a round, and returns the fences that are to be ended.
func (h *hearing) answered(m message) (passed []*fence) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, s := h.rounds[m.round], h.sources[m.run]
	if r == nil || s == nil {
		return nil
	}
	for _, i := range r.interests {
		if _, known := i.of(s); !known {
			i.reach(s, m.number) // what was sent before is not for the topic
		}
	}
	if delete(r.awaits, s); len(r.awaits) > 0 {
		return nil
	}
	delete(h.rounds, m.round)
	return r.settle()
}

// take judges a broadcast. It is false for one that nobody needs.
func (h *hearing) take(m message, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.interests[m.key]
	if i == nil {
		return false
	}
	s := h.source(m.run, now)
	return s == nil || i.takes(s, m.number, m.prev)
}

// source is that of a process, nil if there are too many.
func (h *hearing) source(run string, now time.Time) *source {
	s := h.sources[run]
	if s == nil && len(h.sources) < maxSources {
		s = &source{run: run, heard: now}
		h.sources[run] = s
	}
	return s
}

// compare takes in a summary. isNew says that it is the first of its process.
func (h *hearing) compare(m message, now time.Time) (isNew bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.source(m.run, now)
	if s == nil {
		return false
	}
	isNew = !s.met
	s.heard, s.met = now, true
	if m.prev > s.checked { // whatever topic that was sent to, it may be one of these
		for _, i := range h.interests {
			i.check(s, m.prev)
		}
		h.mentions.noteAll(now)
	}
	for _, n := range m.news {
		if n.Number <= s.checked {
			continue
		}
		h.mentions.note(n.Topic, now)
		if i := h.byDigest[n.Topic]; i != nil {
			i.check(s, n.Number)
		}
	}
	s.checked = max(s.checked, m.number)
	if m.bye {
		h.forget(s)
	}
	return isNew && !m.bye
}

// forget drops a source. h.mu must be held.
func (h *hearing) forget(s *source) {
	s.isGone = true
	delete(h.sources, s.run)
	for number, r := range h.rounds {
		r.misses = true
		if delete(r.awaits, s); len(r.awaits) == 0 {
			h.abandon(number)
		}
	}
}

// abandon ends a round to which not all have answered. h.mu must be held.
func (h *hearing) abandon(number uint64) {
	r := h.rounds[number]
	r.misses = true
	for _, f := range r.settle() {
		f.end()
	}
	delete(h.rounds, number)
}

// expire forgets who is silent, and ends what was waited for too long. It returns the
// topics of which something is missing.
func (h *hearing) expire(now time.Time) (missing []protocol.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sources {
		if now.Sub(s.heard) > sourceAge {
			h.mentions.noteAll(now) // it may have sent more than was heard
			h.forget(s)
		}
	}
	for number, r := range h.rounds {
		if now.Sub(r.began) > roundLimit {
			h.abandon(number)
		}
	}
	for _, i := range h.interests {
		if i.misses {
			i.misses = false
			missing = append(missing, i.key)
		}
	}
	return missing
}

// size is how many topics are needed.
func (h *hearing) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.interests)
}
