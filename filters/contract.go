package filters

import (
	"context"

	"walcast/replication"
)

// Expr is a boolean expression over the columns of one relation. Exprs are
// immutable and may be evaluated at once.
type Expr interface {
	// Eval has the truth value that Postgres gives, or Undecided (see Decide).
	// A column whose Value is Absent makes a comparison Unknown.
	Eval(row replication.Row) Truth
	// Key is a canonical text: Exprs of one relation with equal keys are equal.
	Key() string
}

// Compile binds a filter to a relation's columns and types. Its errors are
// *BindError, with the SQLSTATE and message that the database would give. It
// accepts what it is not certain of; Resolve does not.
func Compile(rel *replication.Relation, f Filter, l Locale) (Expr, error) { panic("contract") }

// Resolve is Compile for a join: it asks Postgres about literals and operators
// that Go is not certain of, and returns the filter with the answers in it, so
// that matching need not ask again. A filter for several relations is resolved
// for one after the other. Its errors are *BindError, or the asker's.
func Resolve(ctx context.Context, rel *replication.Relation, f Filter, l Locale, a Asker) (Filter, error) {
	panic("contract")
}

// Decide is Eval, asking Postgres where Eval is Undecided.
func Decide(ctx context.Context, e Expr, row replication.Row, a Asker) (Truth, error) {
	panic("contract")
}

// Columns returns the indexes of the relation's columns that a filter reads.
func Columns(rel *replication.Relation, f Filter) []int { panic("contract") }

// BindError says why a filter cannot work on a table (wire reference 4.4).
type BindError struct {
	SQLState  string // "P0001", "22P02"
	Condition string // "raise_exception", "invalid_text_representation"
	Message   string // as Postgres words it, then a blank line and the detail if there is one
}

func (e *BindError) Error() string { return e.Message }

// Question is a comparison that only Postgres can decide: Value::Type Op
// Literal::Type, for In Value::Type = any (Literal::Type[]). Without an Op it is
// whether Type can read Literal, and how it prints it.
type Question struct {
	Schema, Type   string // the type as pg_type has it
	Op             Operator
	Value, Literal string
	Why            string // what Go is not certain of, of a small closed set, for metrics
}

// Answer answers one question.
type Answer struct {
	Truth Truth      // with an Op
	Text  string     // without one
	Err   *BindError // Postgres refused; the rest is meaningless
}

// Asker puts questions to Postgres, all of them at once. An error means that
// it could not be asked; a question that raises has an Answer like the others.
type Asker interface {
	Ask(ctx context.Context, questions []Question) ([]Answer, error)
}

// Compare compares a column, which may end in a JSON path or in "::text", with
// a literal of its type, as in the conditions of a filter but for row-level
// security: errors are *BindError.
func Compare(rel *replication.Relation, column string, op Operator, literal string, l Locale) (Expr, error) {
	panic("contract")
}

// CompareColumns compares two columns of one type with Eq, Neq, Lt, Lte, Gt,
// Gte or IsDistinct.
func CompareColumns(rel *replication.Relation, a string, op Operator, b string, l Locale) (Expr, error) {
	panic("contract")
}

// And is SQL's AND; of nothing it is True.
func And(exprs ...Expr) Expr { panic("contract") }

// Or is SQL's OR; of nothing it is False.
func Or(exprs ...Expr) Expr { panic("contract") }

// Not is SQL's NOT: of Unknown it is Unknown.
func Not(e Expr) Expr { panic("contract") }

// Constant is always t, which is True, False or Unknown (SQL's NULL).
func Constant(t Truth) Expr { panic("contract") }

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
