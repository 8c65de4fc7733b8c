package changelog

import (
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"strings"

	"walcast/replication/wal"
)

// Provenance says of which WAL a position is, and how its index was counted. A client
// keeps it beside the position and sends both back, so that another server, or a
// database that was restored, does not take the position for one of its own.
type Provenance struct {
	System   string // the system identifier, in decimal digits
	Database string // a hash of its name: transactions of another are in the same WAL
	Timeline int32
	// Counting is a hash of the names of the publications that were read: changes of
	// other publications do not count. "" says that the index is not to be trusted.
	Counting string
}

// Named is a position as a client names it. The provenance is zero if it says nothing
// of that.
type Named struct {
	Position   wal.Position
	Provenance Provenance
}

// String is what clients get: opaque to them, and safe in a URL. It is "" for the zero
// Provenance.
func (p Provenance) String() string {
	if p == (Provenance{}) {
		return ""
	}
	return fmt.Sprintf("%s.%s.%d.%s", p.System, p.Database, p.Timeline, p.Counting)
}

// ParseProvenance reads what String writes.
func ParseProvenance(s string) (Provenance, error) {
	if s == "" {
		return Provenance{}, nil
	}
	parts := strings.Split(s, ".")
	if len(parts) != 4 || parts[0] == "" || parts[1] == "" {
		return Provenance{}, fmt.Errorf("parse history %.100q: it is not one that this server has written", s)
	}
	timeline, err := strconv.ParseInt(parts[2], 10, 32)
	if err != nil {
		return Provenance{}, fmt.Errorf("parse history %.100q: the timeline is no number", s)
	}
	return Provenance{System: parts[0], Database: parts[1], Timeline: int32(timeline), Counting: parts[3]}, nil
}

// hashOf is a short name for a set of names.
func hashOf(names ...string) string {
	names = slices.Clone(names)
	slices.Sort(names)
	h := fnv.New64a()
	for _, name := range slices.Compact(names) {
		_, _ = io.WriteString(h, name+"\x00") // a hash takes everything
	}
	return strconv.FormatUint(h.Sum64(), 36)
}
