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
	oldest   uint32   // all transactions before it had ended, with their subtransactions
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
	s.oldest, s.next = number(parts[0]), number(parts[1])
	if parts[2] != "" {
		for id := range strings.SplitSeq(parts[2], ",") {
			s.underWay = append(s.underWay, number(id))
		}
	}
	return s, err
}

// equal reports whether two snapshots see the same.
func (s *snapshot) equal(o *snapshot) bool {
	return s.oldest == o.oldest && s.next == o.next && slices.Equal(s.underWay, o.underWay)
}

// hasAll reports whether a snapshot sees all that another one sees, both being of the
// same server.
func (s *snapshot) hasAll(o *snapshot) bool {
	return int32(s.next-o.next) >= 0 && int32(s.oldest-o.oldest) >= 0 && !slices.ContainsFunc(s.underWay, o.sees)
}

// isBefore reports whether another snapshot sees more.
func (s *snapshot) isBefore(o *snapshot) bool { return o.hasAll(s) && !s.hasAll(o) }

// mostUnderWay is how many transactions under way the text of a snapshot has: of more it
// says that they had ended.
const mostUnderWay = 64

// String returns the snapshot as parseSnapshot reads it.
func (s snapshot) String() string {
	ids := make([]string, 0, len(s.underWay))
	if len(s.underWay) <= mostUnderWay {
		for _, xid := range s.underWay {
			ids = append(ids, formatXID(xid))
		}
	}
	return formatXID(s.oldest) + ":" + formatXID(s.next) + ":" + strings.Join(ids, ",")
}

func formatXID(xid uint32) string { return strconv.FormatUint(uint64(xid), 10) }

// sees reports whether a committed transaction is visible. Ids wrap around, so they
// are compared as in Postgres, where they are less than 2^31 apart. No transaction has
// the id 0.
func (s snapshot) sees(xid uint32) bool {
	return xid == 0 || int32(xid-s.next) < 0 && !slices.Contains(s.underWay, xid)
}
