package datum

import (
	"slices"

	"walcast/replication/wal"
)

// enum has the label in S and the label's rank in A. A label may be unknown, as the
// WAL does not announce ALTER TYPE … ADD VALUE. An unknown label is equal to itself
// only, and only Postgres knows its rank.
type enum struct{ labels *wal.Type }

func (t enum) Out(text string) (Value, bool) {
	rank := slices.Index(t.labels.Labels, text)
	return Value{Key: Key{A: int64(rank), S: text}, Unordered: rank < 0}, true
}

func (t enum) In(literal string) (Value, error) {
	v, _ := t.Out(literal)
	if v.Unordered {
		return Value{}, ErrUncertain
	}
	return v, nil
}

func (enum) Compare(a, b Value) int { return compareNumbers(a, b) }
func (enum) Ordered() bool          { return true }
