package filters

import (
	"context"

	"walcast/replication"
)

// EventSet is a set of operations.
type EventSet uint8

// Has reports whether the set contains op.
func (s EventSet) Has(op replication.Operation) bool { return s&(1<<op) != 0 }

// Events makes a set.
func Events(ops ...replication.Operation) (s EventSet) {
	for _, op := range ops {
		s |= 1 << op
	}
	return s
}

// Guard narrows a selector to the rows that somebody may see. Guards are
// compared with ==, so a subject's guard must be one value.
type Guard interface {
	// Where is the condition on rel's rows under which op is visible; nil means
	// always, or that visibility is decided elsewhere (asked of Postgres).
	Where(rel *replication.Relation, op replication.Operation) Expr
}

// Selector says which changes a binding wants.
type Selector struct {
	Events        EventSet
	Schema, Table string // "*" matches any
	Filter        Filter
	Guard         Guard // nil for none
}

// Index finds the values whose selectors match a change. It belongs to one
// shard and is not safe for concurrent use. Adding and removing do not depend
// on the number of other selectors (ranges: on its logarithm).
type Index[T comparable] struct{}

// NewIndex returns an empty index for the changes of one database.
func NewIndex[T comparable](l Locale) *Index[T] { panic("contract") }

// Add files v under the selector. The same v may be added under several.
func (ix *Index[T]) Add(s Selector, v T) { panic("contract") }

// Remove takes back one Add with an equal selector and value.
func (ix *Index[T]) Remove(s Selector, v T) { panic("contract") }

// Len is the number of values added and not removed.
func (ix *Index[T]) Len() int { panic("contract") }

// Prepare asks Postgres what Match will need to know of the changes, all in
// one, and remembers the answers. It asks nothing when Go can decide, which is
// nearly always. After an error Match does not yield what is undecided.
func (ix *Index[T]) Prepare(ctx context.Context, changes []*replication.Change, a Asker) error {
	panic("contract")
}

// Match calls yield once for each (selector, value) that the change matches:
// New for INSERT and UPDATE, Old for DELETE (wire reference 4.5). A TRUNCATE
// concerns every filter. A selector whose filter does not compile for the
// relation matches nothing.
func (ix *Index[T]) Match(c *replication.Change, yield func(T)) { panic("contract") }

// Failed calls yield for each value whose selector Postgres refused to decide
// for the change (Prepare), with what it raised.
func (ix *Index[T]) Failed(c *replication.Change, yield func(T, *BindError)) { panic("contract") }

// Invalidate forgets what was compiled for a relation, as after a change of
// its policies. A Relation of another shape does so by itself.
func (ix *Index[T]) Invalidate(relation uint32) { panic("contract") }
