package live

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"

	"walcast/policy"
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
	shares shares
	// onFull gives some keys back that can be done without. It is false if there are none.
	onFull func() bool
}

// NewKeys returns keys of which there may be so many.
func NewKeys(most int) *Keys {
	k := &Keys{most: int64(most), shares: shares{all: map[policy.Account]*share{}}}
	_, _ = rand.Read(k.secret[:]) // never fails
	return k
}

// OnFull has f called when there is no room for a key. It gives keys back that can be done
// without, and is false if there are none. It is to be set before there are sets.
func (k *Keys) OnFull(f func() bool) { k.onFull = f }

// IsOver reports whether there are more keys than there may be, as an account needs some
// that another is to give back: see KeySet.IsRevoked.
func (k *Keys) IsOver() bool { return k != nil && k.held.Load() > k.most }

// mayBorrow reports whether an account may have one more key though there is no room. All
// have half as many again at most.
func (k *Keys) mayBorrow(by *share) bool {
	return k.held.Load() < k.most+k.most/2 && k.shares.mayAsk(by)
}

// Held is how many keys there is no room for any more: those of all sets, and what is noted
// beside them.
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
