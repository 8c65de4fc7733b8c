package live

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"

	"walcast/replication/wal"
)

// Key stands for a row of a table: it is a hash of the columns that tell rows apart. Two
// rows with one hash would be taken for one row. Of a million rows that happens to two with
// a probability of 10^-27, and nobody can look for such rows, as the hash has a secret in
// it.
type Key [16]byte

// Keys are the keys of the rows that all views have, and how many they may have. It is
// safe for concurrent use.
type Keys struct {
	secret [sha256.BlockSize]byte
	most   int64
	held   atomic.Int64
}

// NewKeys returns keys of which there may be so many.
func NewKeys(most int) *Keys {
	k := &Keys{most: int64(most)}
	_, _ = rand.Read(k.secret[:]) // never fails
	return k
}

// Held is how many keys all sets have together; 0 of nil.
func (k *Keys) Held() int {
	if k == nil {
		return 0
	}
	return int(k.held.Load())
}

// Most is how many keys all sets may have together.
func (k *Keys) Most() int { return int(k.most) }

// KeyColumns are the indexes of the columns that tell the rows of a relation apart: those
// of its primary key or, without one, of the index that is its replica identity.
func KeyColumns(rel *wal.Relation) (columns []int) {
	hasKey := rel.HasKey()
	for i, c := range rel.Columns {
		if c.Key || !hasKey && rel.ReplicaIdentity == wal.IdentityIndex && c.Identity {
			columns = append(columns, i)
		}
	}
	return columns
}

// Of returns the key of a row. It is not ok if the row lacks a column of the key.
func (k *Keys) Of(row wal.Row, columns []int) (key Key, ok bool) {
	data := append(make([]byte, 0, 256), k.secret[:]...)
	for _, i := range columns {
		if i >= len(row) || row[i].Kind != wal.Text {
			return Key{}, false
		}
		data = binary.BigEndian.AppendUint32(data, uint32(len(row[i].Text)))
		data = append(data, row[i].Text...)
	}
	sum := sha256.Sum256(data)
	return Key(sum[:len(key)]), len(columns) > 0
}

// Set returns an empty set.
func (k *Keys) Set() *KeySet { return &KeySet{of: k, keys: map[Key]struct{}{}} }

// KeySet is the keys of the rows that a view has. It is not safe for concurrent use.
type KeySet struct {
	of   *Keys
	keys map[Key]struct{}
}

// Len is how many keys the set has.
func (s *KeySet) Len() int { return len(s.keys) }

// Has reports whether the set has a key.
func (s *KeySet) Has(key Key) bool {
	_, has := s.keys[key]
	return has
}

// Add adds a key. It is false, and adds nothing, if there are as many keys as there may
// be.
func (s *KeySet) Add(key Key) bool {
	if s.Has(key) {
		return true
	}
	if s.of.held.Add(1) > s.of.most {
		s.of.held.Add(-1)
		return false
	}
	s.keys[key] = struct{}{}
	return true
}

// Remove removes a key, if the set has it.
func (s *KeySet) Remove(key Key) {
	if s.Has(key) {
		delete(s.keys, key)
		s.of.held.Add(-1)
	}
}

// Drop empties the set. A nil set has nothing.
func (s *KeySet) Drop() {
	if s != nil {
		s.of.held.Add(-int64(len(s.keys)))
		s.keys = map[Key]struct{}{}
	}
}
