package filters

import "walcast/replication"

// Operator is one of the wire's operators.
type Operator string

// The operators of wire reference 4.5.
const (
	Eq         Operator = "eq"
	Neq        Operator = "neq"
	Lt         Operator = "lt"
	Lte        Operator = "lte"
	Gt         Operator = "gt"
	Gte        Operator = "gte"
	In         Operator = "in"
	Like       Operator = "like"
	ILike      Operator = "ilike"
	Is         Operator = "is"
	Match      Operator = "match"
	IMatch     Operator = "imatch"
	IsDistinct Operator = "isdistinct"
)

// Condition is one "column=op.value" of a filter.
type Condition struct {
	Column string
	Op     Operator
	Value  string // unquoted; for In the Postgres array literal "{a,b}"
	Negate bool
}

// Filter is the conditions of a binding; all must hold. The empty Filter
// holds for every row.
type Filter []Condition

// Parse reads the grammar of wire reference 4.5. Its errors are *ParseError.
func Parse(s string) (Filter, error) { panic("contract") }

// String writes a filter that parses to the same conditions.
func (f Filter) String() string { panic("contract") }

// ParseError carries the message that upstream sends (wire reference 4.4).
type ParseError struct{ Message string }

func (e *ParseError) Error() string { return e.Message }

// Truth is SQL's three-valued logic, ordered False < Unknown < True.
type Truth int8

// The truth values.
const (
	False Truth = iota
	Unknown
	True
)

// Expr is a boolean expression over the columns of one relation. Exprs are
// immutable and may be evaluated at once.
type Expr interface {
	// Eval has the truth value that Postgres gives. A column whose Value is
	// Absent makes a comparison Unknown.
	Eval(row replication.Row) Truth
	// Key is a canonical text: Exprs of one relation with equal keys are equal.
	Key() string
}

// Compile binds a filter to a relation's columns and types. Its errors are
// *BindError, with the SQLSTATE and message that the database would give.
func Compile(rel *replication.Relation, f Filter) (Expr, error) { panic("contract") }

// BindError says why a filter cannot work on a table (wire reference 4.4).
type BindError struct {
	SQLState  string // "P0001", "22P02"
	Condition string // "raise_exception", "invalid_text_representation"
	Message   string // as Postgres words it
}

func (e *BindError) Error() string { return e.Message }

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
// shard and is not safe for concurrent use. Adding and removing cost O(1) in
// the number of other selectors.
type Index[T comparable] struct{}

// NewIndex returns an empty index.
func NewIndex[T comparable]() *Index[T] { panic("contract") }

// Add files v under the selector. The same v may be added under several.
func (ix *Index[T]) Add(s Selector, v T) { panic("contract") }

// Remove takes back one Add with an equal selector and value.
func (ix *Index[T]) Remove(s Selector, v T) { panic("contract") }

// Len is the number of values added and not removed.
func (ix *Index[T]) Len() int { panic("contract") }

// Match calls yield once for each (selector, value) that the change matches:
// New for INSERT and UPDATE, Old for DELETE (wire reference 4.5). A selector
// whose filter does not compile for the relation matches nothing.
func (ix *Index[T]) Match(c *replication.Change, yield func(T)) { panic("contract") }

// Invalidate forgets what was compiled for a relation, as after a change of
// its policies. A Relation of another shape does so by itself.
func (ix *Index[T]) Invalidate(relation uint32) { panic("contract") }
