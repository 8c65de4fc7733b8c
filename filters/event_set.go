package filters

import (
	"walcast/replication/wal"
)

// EventSet is a set of operations, one bit each.
type EventSet uint8

// Has reports whether the set contains op.
func (s EventSet) Has(op wal.Operation) bool { return s&(1<<op) != 0 }

// Events returns the set of the given operations.
func Events(ops ...wal.Operation) (s EventSet) {
	for _, op := range ops {
		s |= 1 << op
	}
	return s
}
