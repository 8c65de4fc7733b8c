package resume

import "time"

const (
	// copiesBytes bounds what is remembered of clients of other nodes.
	copiesBytes = 64 << 20
	// copySize is about how many bytes one takes.
	copySize = 256
)

// copies are what other nodes have told of their clients. Each is known for as long as a
// client may be away, whoever has told it since, and in memory for twice that at most. An
// old one does no harm: its client gets again what it has had since. They are not safe for
// concurrent use.
type copies struct {
	generations[ID, *copied]
	system, slot string // those of the newest: nearly all have the same
}

// copied is one of them, whose Age is as of a time.
type copied struct {
	Told
	at time.Time
}

func newCopies(maxBytes int, keep time.Duration) copies {
	return copies{generations: newGenerations[ID, *copied](maxBytes, copySize, keep)}
}

// add takes in what was told. forgotten says that there was no room, and that all before
// were forgotten.
func (c *copies) add(t *Told, now time.Time) (forgotten bool) {
	c.age(now)
	if _, known := c.get(t.ID); known && !t.Gone && t.Bindings == (Fingerprint{}) {
		return false // that it is elsewhere now does not make it worse
	}
	c.drop(t.ID)
	if t.Gone || t.Old > c.keep {
		return false
	}
	kept := &copied{*t, now.Add(-t.Old)}
	kept.Own, kept.Old = false, 0
	kept.Age -= t.Old // it was as of now
	c.intern(kept)
	return c.put(t.ID, kept)
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

// told is what is known of a client by now, nil if nothing is, and when that was told.
func (c *copies) told(id ID, now time.Time) (t *Told, at time.Time) {
	c.age(now)
	kept, known := c.get(id)
	if !known || now.Sub(kept.at) > c.keep {
		return nil, at
	}
	return kept.told(now), kept.at
}

func (c *copied) told(now time.Time) *Told {
	t := c.Told
	t.Age += now.Sub(c.at)
	return &t
}
