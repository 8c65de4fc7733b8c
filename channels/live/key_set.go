package live

import (
	"maps"

	"walcast/policy"
	"walcast/replication/wal"
)

// Set returns an empty set, which counts for an account until Drop.
func (k *Keys) Set(of policy.Account) *KeySet {
	return &KeySet{of: k, share: k.shares.enter(of), keys: map[Key]struct{}{}}
}

// KeySet is the keys of the rows that a view has, and for some changes how they were before.
// It is not safe for concurrent use.
type KeySet struct {
	of    *Keys
	share *share // whose it is; nil after Drop
	keys  map[Key]struct{}
	kept  int // beside the keys: what it costs to keep the set

	// past is how to go back, the newest change last, to the keys as they were at first or
	// any later position.
	past  []keyChange
	first wal.Position
}

// keyChange is one key that came or went at a position.
type keyChange struct {
	at    wal.Position
	key   Key
	isAdd bool
}

// pastMost is for how many changes a set can go back. A client has not received more than
// what its queue and the network hold.
const pastMost = 1024

// Len is how many keys the set has.
func (s *KeySet) Len() int { return len(s.keys) }

// Has reports whether the set has a key.
func (s *KeySet) Has(key Key) bool {
	_, has := s.keys[key]
	return has
}

// Begin says that the keys are those of rows at a position. Changes from here on are noted.
func (s *KeySet) Begin(at wal.Position) { s.first = at }

// Add adds a key by a change at a position, which is zero before Begin. It is false, and adds
// nothing, if there are as many keys as there may be.
func (s *KeySet) Add(key Key, at wal.Position) bool {
	if s.Has(key) {
		return true
	}
	if !s.makeRoom() {
		return false
	}
	s.keys[key] = struct{}{}
	s.note(keyChange{at, key, true})
	return true
}

// makeRoom takes room for one key. Views that clients have come before those of clients that
// have gone, and before what is only noted. Then it is at the expense of an account that has
// much more.
func (s *KeySet) makeRoom() bool {
	for !s.take(1) {
		switch {
		case s.of.onFull != nil && s.of.onFull():
		case len(s.past) > 0:
			s.forget(len(s.past))
		case s.share != nil && s.of.mayBorrow(s.share):
			s.count(1)
			return true
		default:
			return false
		}
	}
	return true
}

// IsRevoked reports whether the set is of an account that has much more keys than another one
// which needs some: it is to be dropped.
func (s *KeySet) IsRevoked() bool {
	return s.of.IsOver() && s.share != nil && s.share == s.of.shares.greedy.Load()
}

// take takes room for some keys, if there is enough.
func (s *KeySet) take(n int) bool {
	if s.count(n) > s.of.most {
		s.count(-n)
		return false
	}
	return true
}

// count counts keys that come or, if it is negative, go. It returns how many there are of all.
func (s *KeySet) count(n int) int64 {
	if s.share != nil {
		s.share.held.Add(int64(n))
	}
	return s.of.held.Add(int64(n))
}

// Remove removes a key, if the set has it, by a change at a position.
func (s *KeySet) Remove(key Key, at wal.Position) {
	if s.Has(key) {
		delete(s.keys, key)
		s.count(-1)
		s.note(keyChange{at, key, false})
	}
}

// note notes a change. If there is no room for that, there is no way back behind it.
func (s *KeySet) note(c keyChange) {
	if c.at.IsZero() {
		return
	}
	if len(s.past) == pastMost {
		s.forget(pastMost / 2)
	}
	if !s.take(1) {
		s.forget(len(s.past))
		s.first = c.at
		return
	}
	s.past = append(s.past, c)
}

// forget forgets the oldest changes that are noted.
func (s *KeySet) forget(n int) {
	if n == 0 {
		return
	}
	s.first = s.past[n-1].at
	s.past = s.past[:copy(s.past, s.past[n:])]
	s.count(-n)
}

// Reaches reports whether it is known which keys the set had at a position.
func (s *KeySet) Reaches(at wal.Position) bool {
	return !s.first.IsZero() && at.Compare(s.first) >= 0
}

// Rewind goes back to the keys that the set had at a position, which it reaches.
func (s *KeySet) Rewind(at wal.Position) {
	n := len(s.past)
	for ; n > 0 && s.past[n-1].at.Compare(at) > 0; n-- {
		if c := s.past[n-1]; c.isAdd {
			delete(s.keys, c.key)
			s.count(-1)
		} else {
			s.keys[c.key] = struct{}{}
			s.count(1) // the room of the note, which is given back
		}
	}
	s.count(n - len(s.past))
	s.past = s.past[:n]
}

// CloneAt returns a set for an account with the keys that the set had at a position, which it
// reaches; nil if there is no room for it.
func (s *KeySet) CloneAt(at wal.Position, of policy.Account) *KeySet {
	c := s.of.Set(of)
	if !c.take(len(s.keys) + len(s.past)) {
		c.Drop()
		return nil
	}
	c.keys, c.past, c.first = maps.Clone(s.keys), append([]keyChange(nil), s.past...), s.first
	c.Rewind(at)
	return c
}

// Keep takes room for what it costs to keep the set, as that of so many keys. It is false if
// there is none.
func (s *KeySet) Keep(cost int) bool {
	if !s.take(cost) {
		return false
	}
	s.kept += cost
	return true
}

// Use gives the room back that Keep has taken. The set counts for an account from now on.
func (s *KeySet) Use(as policy.Account) {
	s.count(-s.kept)
	s.kept = 0
	n := int64(len(s.keys) + len(s.past))
	s.share.held.Add(-n)
	s.of.shares.leave(s.share)
	s.share = s.of.shares.enter(as)
	s.share.held.Add(n)
}

// Drop empties the set, which is not used any more. A nil set has nothing.
func (s *KeySet) Drop() {
	if s == nil {
		return
	}
	s.count(-len(s.keys) - len(s.past) - s.kept)
	s.keys, s.past, s.kept, s.first = map[Key]struct{}{}, nil, 0, wal.Position{}
	if s.share != nil {
		s.of.shares.leave(s.share)
		s.share = nil
	}
}
