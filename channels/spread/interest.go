package spread

import (
	"walcast/channels/topics"
	"walcast/protocol"
)

// reached is the newest broadcast of a source to a topic that has come, or that was sent
// before the topic was listened to.
type reached struct {
	source *source
	number uint64
}

// interest is a topic of which broadcasts are to come from other nodes.
type interest struct {
	address
	settled   chan struct{} // closed with isSettled
	isSettled bool          // other nodes know of it, as far as that can be known
	has       []reached     // of sources that are beyond what was checked
	misses    bool          // something is missing, which topics are still to be told

	held topics.Holder // nobody: it has ended
	key  protocol.Topic
	stop func() // ends the subscription; of the goroutine that tends
}

// of is the newest broadcast of a source that the interest has. known is false while it
// cannot be said what the topic is to get of it.
func (i *interest) of(s *source) (number uint64, known bool) {
	for _, r := range i.has {
		if r.source == s {
			return max(r.number, s.checked), true
		}
	}
	return s.checked, i.isSettled
}

// reach notes that the interest has everything of a source up to a number.
func (i *interest) reach(s *source, number uint64) {
	kept := i.has[:0]
	found := false
	for _, r := range i.has {
		if r.source == s {
			r.number, found = max(r.number, number), true
		}
		if !r.source.isGone && (r.number > r.source.checked || !i.isSettled) {
			kept = append(kept, r)
		}
	}
	clear(i.has[len(kept):])
	i.has = kept
	if !found && (number > s.checked || !i.isSettled) {
		i.has = append(i.has, reached{s, number})
	}
}

// takes judges a broadcast of a source by its number and by that of the one before to
// the topic. It is false for one that has come before.
func (i *interest) takes(s *source, number, prev uint64) bool {
	has, known := i.of(s)
	if known && number <= has {
		return false
	}
	if known && prev > has {
		i.misses = true
	}
	i.reach(s, number)
	return true
}

// check compares with what a source says was its newest broadcast to the topic.
func (i *interest) check(s *source, newest uint64) {
	if has, known := i.of(s); known && newest > has {
		i.misses = true
		i.reach(s, newest)
	}
}

// settle ends the wait for other nodes.
func (i *interest) settle() {
	if !i.isSettled {
		i.isSettled = true
		close(i.settled)
	}
}
