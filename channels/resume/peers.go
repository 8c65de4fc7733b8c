package resume

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// peers is what servers of one database tell each other of their clients. Each
// reads it by a slot of its own, and clients may go from one to another. It is not
// safe for concurrent use.
type peers struct {
	announcing
	elsewhere
}

// ID names a client's topic among servers.
type ID [16]byte

// digest is the ID among servers that tell each other no more than who is known.
func (id ID) digest() uint64 { return binary.BigEndian.Uint64(id[:]) }

// ID is the name of the key. All servers must have the same for one, whatever their
// version, so it has no seed of its own; and nobody is to find another client's by trying
// names, which is easy with a hash that is made to be fast.
func (k Key) ID() (id ID) {
	h := sha256.New()
	for _, part := range []string{k.Client, k.Topic, k.Role, k.Sub} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // a hash takes everything
		h.Write([]byte(part))
	}
	_ = binary.Write(h, binary.BigEndian, k.Private)
	copy(id[:], h.Sum(nil))
	return id
}

const (
	// announceLimit is how many clients are in one announcement.
	announceLimit = 1000
	// maxPeers bounds how many other servers are kept in mind.
	maxPeers = 64
)

// announcing is what other servers are told of the clients that are known here.
type announcing struct {
	there   map[string]time.Time // other servers by their slots: until when they count as there
	all     bool                 // all known clients are to be announced
	begun   time.Time            // when all were, last
	waiting []uint64             // to be announced
	news    chan struct{}        // has an element when there is something to announce
}

// meet notes that another server is there. If it was not before, or has begun anew,
// it is told of everybody.
func (a *announcing) meet(slot string, begins bool, now, until time.Time) (isNew bool) {
	isNew = !now.Before(a.there[slot])
	if isNew && len(a.there) >= maxPeers {
		clear(a.there)
	}
	a.there[slot] = until
	if isNew || begins {
		a.everybody()
	}
	return isNew
}

// everybody has all known clients announced, for the first time or once more.
func (a *announcing) everybody() {
	a.all, a.waiting = true, nil
	a.notify()
}

func (a *announcing) notify() {
	select {
	case a.news <- struct{}{}:
	default:
	}
}

func (a *announcing) hasPeers(now time.Time) bool {
	for slot, until := range a.there {
		if !now.Before(until) {
			delete(a.there, slot)
		}
	}
	return len(a.there) > 0
}

// announce has other servers told of one client. Where too many wait, as while
// Postgres is away, everybody is announced in place of those.
func (a *announcing) announce(client uint64, known int) {
	switch {
	case a.all || len(a.there) == 0:
	case len(a.waiting) > 2*known+announceLimit:
		a.everybody()
	default:
		a.waiting = append(a.waiting, client)
		a.notify()
	}
}

// next is the next announcement, and whether there is one. The first after
// everybody may be empty: it answers a server that wants to know whether there are
// others.
func (a *announcing) next(now time.Time, known func() []uint64) (clients []uint64, due bool) {
	if !a.hasPeers(now) {
		a.all, a.waiting = true, nil
		return nil, false
	}
	due = a.all || len(a.waiting) > 0
	if a.all {
		a.all, a.begun, a.waiting = false, now, known()
	}
	n := min(len(a.waiting), announceLimit)
	clients, a.waiting = a.waiting[:n:n], a.waiting[n:]
	if len(a.waiting) == 0 {
		a.waiting = nil
	} else {
		a.notify()
	}
	return clients, due
}

// repeat announces everybody again before others forget clients that stay for long.
func (a *announcing) repeat(now time.Time, keep time.Duration) {
	if a.hasPeers(now) && !a.all && now.Sub(a.begun) >= keep/2 {
		a.everybody()
	}
}
