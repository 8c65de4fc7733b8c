package filters

import (
	"errors"
	"strings"

	"walcast/filters/datum"
	"walcast/filters/pattern"
	"walcast/replication/wal"
)

// compare binds eq, neq, lt, lte, gt, gte and isdistinct.
func (b *binder) compare(o *operand, c *Condition) (Expr, error) {
	if c.Op == IsDistinct && c.Value == "null" { // a row of NULLs is distinct from NULL, though it IS NULL
		return &nullTest{operand: o, negate: true}, nil
	}
	typ := datum.Of(o.typ, b.Options)
	if typ == nil {
		return b.leave(o, c, DoubtType), nil
	}
	literal, err := b.literal(o, typ, c)
	switch {
	case errors.Is(err, datum.ErrUncertain):
		return b.leave(o, c, DoubtLiteral), nil
	case err != nil:
		return nil, bindError(err)
	}
	e := &comparison{operand: o, op: Eq, literal: b.spelling(o, c.Value), onNull: Unknown, test: equality{typ, literal.Key}}
	switch c.Op {
	case Neq:
		e.negate = true
	case IsDistinct:
		e.negate, e.onNull = true, False
	case Lt, Lte, Gt, Gte:
		if !typ.Ordered() || literal.Unordered {
			return b.leave(o, c, doubtOfOrder(typ, o)), nil
		}
		// gt is the negation of lte, and gte that of lt, as types have a total order.
		e.negate = c.Op == Gt || c.Op == Gte
		inclusive := c.Op == Lte || c.Op == Gt
		if e.op = Lt; inclusive {
			e.op = Lte
		}
		e.test = order{typ, literal, inclusive}
	}
	return e, nil
}

// doubtOfOrder says why Go does not know the order of an operand's values.
func doubtOfOrder(typ datum.Type, o *operand) Doubt {
	if typ.Ordered() || o.typ.Underlying().OID == oidJSONB {
		return DoubtType
	}
	return DoubtCollation
}

// leave makes a comparison that only Postgres can decide. For a type that Go does
// not know Resolve asks once, as the type may not have the operator at all.
func (b *binder) leave(o *operand, c *Condition, why Doubt) Expr {
	e := &comparison{operand: o, op: c.Op, literal: c.Value, onNull: Unknown, test: asked{}, why: why}
	if c.Op == IsDistinct {
		e.onNull = True
	}
	if why == DoubtType && c.Op != In {
		b.unresolved = append(b.unresolved, unresolved{call: e.call(c.Value), condition: c})
	}
	return e
}

// literal reads a condition's literal, or the reading that Postgres has given of it.
func (b *binder) literal(o *operand, typ datum.Type, c *Condition) (datum.Value, error) {
	if text, ok := b.reading(o, c, false); ok {
		if v, ok := typ.Out(text); ok {
			return v, nil
		}
		return datum.Value{}, datum.ErrUncertain
	}
	v, err := typ.In(b.spelling(o, c.Value))
	if errors.Is(err, datum.ErrUncertain) {
		b.read(o, c, false)
	}
	return v, err
}

// reading returns how Postgres read the literal, if it has been asked. About a
// domain's literal it always is, as the literal may break a constraint.
func (b *binder) reading(o *operand, c *Condition, array bool) (string, bool) {
	for _, r := range c.Readings {
		if r.Type == o.typ.OID {
			return r.Text, true
		}
	}
	if o.typ.Kind == wal.KindDomain {
		b.read(o, c, array)
	}
	return "", false
}

// read has Resolve ask Postgres to read the literal, once for a condition.
func (b *binder) read(o *operand, c *Condition, array bool) {
	for _, u := range b.unresolved {
		if u.condition == c {
			return
		}
	}
	call := Call{Schema: o.typ.Schema, Type: o.typ.Name, Home: home(o.typ), Array: array, Literal: b.spelling(o, c.Value), Why: DoubtLiteral}
	b.unresolved = append(b.unresolved, unresolved{call, c, o.typ.OID})
}

// spelling adds the \x that a bytea literal of a client may lack.
func (b *binder) spelling(o *operand, literal string) string {
	if b.wire && o.typ.Underlying().OID == oidBytea && len(literal)%2 == 0 && strings.Trim(literal, "0123456789abcdefABCDEF") == "" {
		return `\x` + literal
	}
	return literal
}

// is binds is.null, is.true, is.false and is.unknown.
func is(o *operand, c *Condition) (Expr, error) {
	switch c.Value {
	case "null":
		return &nullTest{operand: o, rows: o.typ.Underlying().Kind == wal.KindComposite}, nil
	case "true", "false", "unknown":
	default:
		return nil, raised("invalid value for is filter: must be null, true, false, or unknown")
	}
	typ := datum.Of(o.typ, datum.Options{})
	if o.typ.Underlying().OID != oidBool {
		return nil, raised("is %s filter requires a boolean column, got %s", c.Value, typeName(o.typ))
	}
	if c.Value == "unknown" {
		return &nullTest{operand: o}, nil
	}
	v, err := typ.In(c.Value)
	if err != nil {
		return nil, bindError(err)
	}
	return &comparison{operand: o, op: Eq, literal: c.Value, onNull: False, test: equality{typ, v.Key}}, nil
}

// textual is how a type takes pattern operators.
type textual struct {
	has      bool // the type has the operator
	native   bool // Go can decide it
	caseless bool // case does not count
}

// textualOf returns how a type takes a pattern operator.
func textualOf(t *wal.Type, op Operator) textual {
	t = t.Underlying()
	switch {
	case t.Kind == wal.KindUnknown:
		return textual{has: true}
	case t.Kind != wal.KindBase:
		return textual{}
	}
	switch t.OID {
	case oidText, oidVarchar, oidBpchar, oidName:
		return textual{has: true, native: true, caseless: op == ILike || op == IMatch}
	case oidBytea:
		return textual{has: op == Like}
	}
	citext := t.Name == "citext"
	return textual{has: citext, native: citext, caseless: citext}
}

// like binds like and ilike. A pattern that ends in its escape character is
// refused at once; Postgres refuses it only when a row matches up to there.
func (b *binder) like(o *operand, c *Condition) (Expr, error) {
	t := textualOf(o.typ, c.Op)
	if !t.has {
		return nil, raised("operator %s requires a text-compatible column type, got %s", c.Op, typeName(o.typ))
	}
	fold, known := b.casing(t)
	p, err := pattern.Like(c.Value, fold)
	switch {
	case errors.Is(err, pattern.ErrTrailingEscape):
		return nil, NewBindError("22025", err.Error())
	case !t.native:
		return b.leave(o, c, DoubtType), nil
	case !known:
		return b.leave(o, c, DoubtCase), nil
	case err != nil:
		return b.leave(o, c, DoubtSize), nil
	}
	return &comparison{operand: o, op: c.Op, literal: c.Value, onNull: Unknown, test: likeMatch{p}, why: DoubtCase}, nil
}

// match binds match and imatch.
func (b *binder) match(o *operand, c *Condition) (Expr, error) {
	t := textualOf(o.typ, c.Op)
	if !t.has {
		return nil, raised("operator %s requires a text-compatible column type, got %s", c.Op, typeName(o.typ))
	}
	why := DoubtRegexp
	if fold, known := b.casing(t); known && t.native {
		r, err := b.expressions.Compile(c.Value, fold)
		if err == nil {
			return &comparison{operand: o, op: c.Op, literal: c.Value, onNull: Unknown, test: regexpMatch{r}, why: DoubtRegexp}, nil
		}
		if errors.Is(err, pattern.ErrSize) {
			why = DoubtSize
		}
	}
	e := b.leave(o, c, why)
	call := Call{Schema: "pg_catalog", Type: "text", Op: c.Op, Literal: c.Value, Why: why}
	b.unresolved = append(b.unresolved, unresolved{call: call, condition: c})
	return e, nil
}

// casing returns how a match treats case, and whether Go knows it.
func (b *binder) casing(t textual) (fold pattern.Case, known bool) {
	if t.caseless {
		return b.fold, b.folds
	}
	return pattern.Exact, true
}

// set binds cs, cd and ov.
func (b *binder) set(o *operand, c *Condition) (Expr, error) {
	typ, ok := datum.SetOf(datum.Of(o.typ, b.Options))
	if !ok || c.Op == Overlaps && o.typ.Underlying().OID == oidJSONB {
		return b.leave(o, c, DoubtType), nil
	}
	literal, err := b.literal(o, datum.Of(o.typ, b.Options), c)
	switch {
	case errors.Is(err, datum.ErrUncertain):
		return b.leave(o, c, DoubtLiteral), nil
	case err != nil:
		return nil, bindError(err)
	}
	return &comparison{operand: o, op: c.Op, literal: c.Value, onNull: Unknown, test: containment{c.Op, typ, literal}}, nil
}
