package datum

import (
	"slices"

	"walcast/replication/wal"
)

// enum has the label in S and its rank in the order in A. A label that is not
// known, as ALTER TYPE … ADD VALUE is not announced, is equal to itself and
// nothing else; only Postgres knows its rank.
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
