package filters

import (
	"context"
	"errors"
	"slices"
	"strings"

	"walcast/filters/datum"
	"walcast/replication/wal"
)

// compile binds a filter to a relation's columns and types. Its errors are
// *BindError, with the SQLSTATE and message that the database would give. Literals
// and operators that it is not certain of are accepted: Resolve has asked Postgres
// about them.
func compile(rel *wal.Relation, f Filter, c certainty) (Expr, error) {
	b := binder{rel: rel, certainty: c, wire: true}
	return b.filter(f)
}

// Resolve binds a filter when a channel joins: it asks Postgres, as the subject,
// about literals and operators that Go is not certain of, and returns the filter
// with the answers in it, so that matching need not ask again. A filter for
// several relations is resolved for each of them in turn. Its errors are
// *BindError, or the asker's.
func Resolve(ctx context.Context, rel *wal.Relation, f Filter, l Locale, a Asker, as Subject) (Filter, error) {
	f = f.clone()
	b := binder{rel: rel, certainty: l.certainty(), wire: true}
	if _, err := b.filter(f); err != nil || len(b.unresolved) == 0 {
		return f, err
	}
	if err := b.inquire(ctx, a, as); err != nil {
		return nil, err
	}
	_, err := b.filter(f) // a literal can turn out to be too long only now that it has been read
	return f, err
}

// Check says why a filter cannot work on a relation, as far as that can be told without
// asking Postgres. Its errors are *BindError.
func Check(rel *wal.Relation, f Filter, l Locale) error {
	_, err := compile(rel, f, l.certainty())
	return err
}

// Compare compares a column, which may end in a JSON path, with a literal of
// its type, as the conditions of a filter do. It is for row-level security, so it
// reads a bytea as Postgres does, not as clients write it. Errors are *BindError.
func Compare(rel *wal.Relation, column string, op Operator, literal string, l Locale) (Expr, error) {
	b := binder{rel: rel, certainty: l.certainty()}
	return b.condition(&Condition{Column: column, Op: op, Value: literal})
}

// clone copies a filter such that readings can be added to it.
func (f Filter) clone() Filter {
	f = slices.Clone(f)
	for i := range f {
		f[i].Group = f[i].Group.clone()
		f[i].Readings = slices.Clone(f[i].Readings)
	}
	return f
}

// binder makes expressions of the conditions of one filter.
type binder struct {
	certainty
	rel        *wal.Relation
	wire       bool         // the literals are a client's, whose bytea may lack the \x
	unresolved []unresolved // what only Postgres can say of the conditions
}

// unresolved is a condition that Resolve has to ask Postgres about.
type unresolved struct {
	call      Call
	condition *Condition
	typ       uint32 // the OID of the type that reads the literal
}

func (b *binder) filter(f Filter) (Expr, error) {
	exprs := make([]Expr, len(f))
	for i := range f {
		e, err := b.condition(&f[i])
		if err != nil {
			return nil, err
		}
		exprs[i] = e
	}
	return And(exprs...), nil
}

func (b *binder) condition(c *Condition) (Expr, error) {
	e, err := b.positive(c)
	if err == nil && b.wire {
		err = askable(e)
	}
	if err != nil || !c.Negate {
		return e, err
	}
	return Not(e), nil
}

// maxAskedBytes bounds a client's literals that Postgres is given with each row.
const maxAskedBytes = 8 << 10

// askable refuses a comparison that only Postgres can decide if its literal is too
// long to be sent with each row. The parts of a group have each been checked.
func askable(e Expr) error {
	c, ok := e.(*comparison)
	if !ok {
		return nil
	}
	if _, always := c.test.(asked); always && len(c.literal) > maxAskedBytes {
		return raised("the value of a filter that only Postgres can decide has %d bytes. Maximum %d", len(c.literal), maxAskedBytes)
	}
	return nil
}

// positive binds a condition as if it were not negated.
func (b *binder) positive(c *Condition) (Expr, error) {
	if c.Op.grouping() {
		return b.group(c)
	}
	o, err := newOperand(b.rel, c.Column)
	if err != nil {
		return nil, err
	}
	if strings.IndexByte(c.Value, 0) >= 0 {
		return nil, NewBindError("22021", `invalid byte sequence for encoding "UTF8": 0x00`)
	}
	switch c.Op {
	case Is:
		return is(o, c)
	case In:
		return b.in(o, c)
	case Like, ILike:
		return b.like(o, c)
	case Match, IMatch:
		return b.match(o, c)
	case Contains, ContainedBy, Overlaps:
		return b.set(o, c)
	}
	return b.compare(o, c)
}

func (b *binder) group(c *Condition) (Expr, error) {
	exprs := make([]Expr, len(c.Group))
	for i := range c.Group {
		e, err := b.condition(&c.Group[i])
		if err != nil {
			return nil, err
		}
		exprs[i] = e
	}
	if c.Op == All {
		return And(exprs...), nil
	}
	return Or(exprs...), nil
}

// inquire asks about the unresolved conditions and stores the readings in them.
func (b *binder) inquire(ctx context.Context, a Asker, as Subject) error {
	calls := make([]Call, len(b.unresolved))
	for i, u := range b.unresolved {
		calls[i] = u.call
	}
	answers, err := a.Ask(ctx, as, calls)
	if err != nil {
		return err
	}
	if len(answers) != len(calls) {
		return errors.New("ask about a filter: got another number of answers")
	}
	for i, u := range b.unresolved {
		if err := answers[i].Err; err != nil {
			return u.asUpstream(err)
		}
		if u.call.Op == "" && !u.call.volatile() {
			u.condition.Readings = append(u.condition.Readings, Reading{u.typ, answers[i].Text})
		}
	}
	return nil
}

// asUpstream words an error of Postgres as upstream does.
func (u unresolved) asUpstream(err *BindError) error {
	if op := u.call.Op; op == Match || op == IMatch {
		return raised("invalid regular expression for %s filter: %s", op, err.Message)
	}
	return err
}

// bindError makes a *BindError of the error of a type that refuses a literal.
func bindError(err error) error {
	var invalid *datum.Invalid
	if errors.As(err, &invalid) {
		return NewBindError(invalid.SQLState, invalid.Message)
	}
	return err
}
