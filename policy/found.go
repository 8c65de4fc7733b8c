package policy

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"walcast/replication/wal"
)

// found is what a sight has of an object.
type found struct {
	print  int64
	newest uint32 // the transaction that wrote the newest of its catalog rows
	more   string // see sightSQL
}

// oldest is the age at which rows of the catalog count as older than all transactions.
// Those that were there from the beginning have the greatest age there is.
const oldest = 1 << 30

// of returns what a sight has of an object; there is false if the database does not
// have it.
func (s *sight) of(d dependency) (f found, there bool) {
	print, there := s.prints[d]
	age, isDated := s.ages[d]
	if !isDated {
		age = oldest // it has no rows of its own
	}
	return found{print, s.latest - uint32(min(age, oldest)), s.more[d]}, there
}

// details is what more has behind the identity, in the order of sightSQL.
type details struct{ made, rest, lossy, policies, announced string }

// hasLost reports whether there are policies that are not among others.
func (d details) hasLost(policies string) bool {
	left := strings.Split(policies, ",")
	for policy := range strings.SplitSeq(d.policies, ",") {
		if policy != "" && !slices.Contains(left, policy) {
			return true
		}
	}
	return false
}

// identity is that of the row in pg_class; "" for other objects.
func (f found) identity() string {
	identity, _, _ := strings.Cut(f.more, ";")
	return identity
}

func (f found) details() (d details) {
	parts := append(strings.SplitN(f.more, ";", 6), "", "", "", "", "")
	d.made, d.rest, d.lossy, d.policies, d.announced = parts[1], parts[2], parts[3], parts[4], parts[5]
	return d
}

// mayHaveLost reports whether access may have widened without any row of the catalog
// that tells.
func (f found) mayHaveLost() bool { return f.details().lossy == "t" }

// isBefore reports whether the newest row of an object is of a transaction that had ended
// at a snapshot. It may be a subtransaction of one that was under way.
func (f found) isBefore(s wal.Snapshot) bool { return int32(f.newest-uint32(s.Least)) < 0 }

// made returns the transaction that has made a relation. It is not ok of other objects.
func (f found) made() (xid uint32, ok bool) {
	id, err := strconv.ParseUint(f.details().made, 10, 32)
	return uint32(id), err == nil
}

// wasTouched reports whether the row of a relation in pg_class is another one, and
// nothing that it has differs: it was changed and changed back.
func (f found) wasTouched(before found) bool {
	return f.identity() != before.identity() && f.details().rest == before.details().rest
}

// trace is the identity of what a fingerprint only has the contents of. While nobody
// looks, grants may be taken away and given back.
func (f found) trace() uint64 {
	identity := f.identity()
	if identity == "" {
		return 0
	}
	sum := fnv.New64a()
	sum.Write([]byte(identity)) // of a hash, which never fails
	return sum.Sum64()
}
