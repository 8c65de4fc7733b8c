package resume

import "time"

const (
	// copiesBytes bounds what is remembered of clients of other nodes.
	copiesBytes = 64 << 20
	// copySize is about how many bytes one takes.
	copySize = 256
)

// copies are what other nodes have told of their clients. Each is known for as long as a
// client may be away, whoever has told it since, and in memory for twice that at most. An old one does no harm: its client gets
// again what it has had since. They are not safe for concurrent use.
type copies struct {
	maxBytes      int
	keep          time.Duration
	recent, older map[ID]*copied
	turn          time.Time // when the recent ones become the older ones
	system, slot  string    // those of the newest: nearly all have the same
}

// copied is one of them, whose Age is as of a time.
type copied struct {
	Told
	at time.Time
}

func newCopies(maxBytes int, keep time.Duration) copies {
	return copies{maxBytes: maxBytes, keep: keep, recent: map[ID]*copied{}, older: map[ID]*copied{}}
}

// add takes in what was told. forgotten says that there was no room, and that all before
// were forgotten.
func (c *copies) add(t *Told, now time.Time) (forgotten bool) {
	c.age(now)
	if !t.Gone && t.Bindings == (Fingerprint{}) && c.get(t.ID) != nil {
		return false // that it is elsewhere now does not make it worse
	}
	c.drop(t.ID)
	if t.Gone {
		return false
	}
	if t.Old > c.keep {
		return false
	}
	kept := &copied{*t, now.Add(-t.Old)}
	kept.Own, kept.Old = false, 0
	kept.Age -= t.Old // it was as of now
	c.intern(kept)
	c.recent[t.ID] = kept
	if c.bytes() > c.maxBytes {
		c.forgetAll()
		forgotten = true
	}
	return forgotten
}

// intern has texts that are equal stand in memory once.
func (c *copies) intern(t *copied) {
	h := &t.Proven.History
	if h.System == c.system {
		h.System = c.system
	}
	if h.Slot == c.slot {
		h.Slot = c.slot
	}
	c.system, c.slot = h.System, h.Slot
}

func (c *copies) drop(id ID) {
	delete(c.recent, id)
	delete(c.older, id)
}

func (c *copies) get(id ID) *copied {
	if kept := c.recent[id]; kept != nil {
		return kept
	}
	return c.older[id]
}

// told is what is known of a client by now, nil if nothing is, and when that was told.
func (c *copies) told(id ID, now time.Time) (t *Told, at time.Time) {
	c.age(now)
	kept := c.get(id)
	if kept == nil || now.Sub(kept.at) > c.keep {
		return nil, at
	}
	return kept.told(now), kept.at
}

func (c *copied) told(now time.Time) *Told {
	t := c.Told
	t.Age += now.Sub(c.at)
	return &t
}

// age forgets those that were told too long ago.
func (c *copies) age(now time.Time) {
	switch {
	case c.turn.IsZero():
		c.turn = now.Add(c.keep)
	case !now.Before(c.turn.Add(c.keep)):
		c.forgetAll()
		c.turn = now.Add(c.keep)
	case !now.Before(c.turn):
		c.older, c.recent = c.recent, map[ID]*copied{}
		c.turn = c.turn.Add(c.keep)
	}
}

func (c *copies) forgetAll() { c.recent, c.older = map[ID]*copied{}, map[ID]*copied{} }

func (c *copies) len() int { return len(c.recent) + len(c.older) }

func (c *copies) bytes() int { return copySize * c.len() }
