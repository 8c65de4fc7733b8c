package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// snapshot says which transactions a statement of Postgres saw. The WAL may be ahead
// of it: a commit can be decoded when it is on disk, and becomes visible microseconds
// later or, if commits wait for a standby, when the standby has answered.
type snapshot struct {
	next     uint32   // the first transaction that had not begun
	underWay []uint32 // earlier transactions that had not ended
}

// parseSnapshot reads a pg_snapshot, xmin:xmax:xip,xip. Its ids have 64 bits, of
// which a change has the lower half.
func parseSnapshot(text string) (s snapshot, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("snapshot %q has %d parts, want 3", text, len(parts))
	}
	number := func(text string) uint32 {
		n, e := strconv.ParseUint(text, 10, 64)
		if e != nil && err == nil {
			err = fmt.Errorf("snapshot: %w", e)
		}
		return uint32(n)
	}
	s.next = number(parts[1])
	if parts[2] != "" {
		for id := range strings.SplitSeq(parts[2], ",") {
			s.underWay = append(s.underWay, number(id))
		}
	}
	return s, err
}

// sees reports whether a committed transaction is visible. Ids wrap around, so they
// are compared as in Postgres, where they are less than 2^31 apart. No transaction has
// the id 0.
func (s snapshot) sees(xid uint32) bool {
	return xid == 0 || int32(xid-s.next) < 0 && !slices.Contains(s.underWay, xid)
}
