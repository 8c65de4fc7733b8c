package wal

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Snapshot is a pg_snapshot: which transactions a statement of Postgres saw. The
// WAL may be ahead of it: a commit is decoded when it is on disk, and seen
// microseconds later or, if commits wait for a standby, when that has answered.
type Snapshot struct {
	Least    uint64   // all transactions with smaller ids had ended
	Next     uint64   // no transaction with this id or a greater one had begun, or was seen
	UnderWay []uint64 // top-level transactions between that had not ended, in order
}

// ParseSnapshot reads "xmin:xmax:xip,xip" as Postgres prints it.
func ParseSnapshot(text string) (s Snapshot, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return Snapshot{}, fmt.Errorf("parse snapshot %q: want xmin:xmax:xip,xip", text)
	}
	number := func(text string) uint64 {
		n, bad := strconv.ParseUint(text, 10, 64)
		if bad != nil {
			err = fmt.Errorf("parse snapshot: %w", bad)
		}
		return n
	}
	s.Least, s.Next = number(parts[0]), number(parts[1])
	if parts[2] != "" {
		for id := range strings.SplitSeq(parts[2], ",") {
			s.UnderWay = append(s.UnderWay, number(id))
		}
	}
	slices.Sort(s.UnderWay)
	return s, err
}

// String prints the snapshot as Postgres does.
func (s Snapshot) String() string {
	ids := make([]string, len(s.UnderWay))
	for i, id := range s.UnderWay {
		ids[i] = strconv.FormatUint(id, 10)
	}
	return fmt.Sprintf("%d:%d:%s", s.Least, s.Next, strings.Join(ids, ","))
}

// FullXID is the id of 64 bits that an id of 32 bits, as changes have them, stands for:
// the nearest to another one. Ids that are compared are less than 2^31 apart.
func FullXID(xid uint32, near uint64) uint64 {
	return near + uint64(int64(int32(xid-uint32(near))))
}

// Full is the id of 64 bits that a change's id of 32 bits stands for.
func (s Snapshot) Full(xid uint32) uint64 { return FullXID(xid, s.Next) }

// Sees reports whether what a top-level transaction did was seen, if it has
// committed: pg_visible_in_snapshot for an id of 32 bits.
func (s Snapshot) Sees(xid uint32) bool {
	full := s.Full(xid)
	return full < s.Next && !s.isUnderWay(full)
}

// Equal reports whether two snapshots of one server see the same.
func (s Snapshot) Equal(o Snapshot) bool {
	return s.Least == o.Least && s.Next == o.Next && slices.Equal(s.UnderWay, o.UnderWay)
}

// HasAll reports whether a snapshot sees all that another one of the same server sees,
// and is not earlier.
func (s Snapshot) HasAll(o Snapshot) bool {
	return s.Next >= o.Next && !slices.ContainsFunc(s.UnderWay, func(full uint64) bool { return full < o.Next && !o.isUnderWay(full) })
}

func (s Snapshot) isUnderWay(full uint64) bool {
	_, found := slices.BinarySearch(s.UnderWay, full)
	return found
}

// SeesAll reports whether all transactions with ids from least to most are seen,
// if they have committed.
func (s Snapshot) SeesAll(least, most uint32) bool {
	from, to := s.Full(least), s.Full(most)
	if to >= s.Next {
		return false
	}
	i, found := slices.BinarySearchFunc(s.UnderWay, from, cmp.Compare[uint64])
	return !found && (i == len(s.UnderWay) || s.UnderWay[i] > to)
}
