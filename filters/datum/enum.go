package datum

import (
	"slices"

	"walcast/replication/wal"
)

// enum has the label in S and its place in the order in A. A label that is not
// known (ALTER TYPE … ADD VALUE tells nobody) is equal to itself and nothing
// else; its place is Postgres' to say.
type enum struct{ labels *wal.Type }

func (t enum) Out(text string) (Value, bool) {
	place := slices.Index(t.labels.Labels, text)
	return Value{Key: Key{A: int64(place), S: text}, Unordered: place < 0}, true
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
