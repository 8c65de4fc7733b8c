package filters

import (
	"fmt"
	"strconv"
	"strings"

	"walcast/filters/datum"
	"walcast/replication/wal"
)

// Spelling is how a filter is written in SQL. Names of types and of operators need
// USAGE on their schemas, which a subject may not have, and a type of an extension
// may have no operators of its own. The zero Spelling is tried first.
type Spelling struct {
	Untyped bool // literals get their type by what they are compared with
	Builtin bool // all operators are those of pg_catalog
}

// SQL is the filter as a condition on a row of a relation's table, whose alias is
// "t". It holds for exactly the rows for which the filter does, and for literals
// that Resolve accepts. It names all but the columns by their schema, so that it
// means the same under every search_path; standard_conforming_strings must be on.
// Errors are *BindError.
func SQL(rel *wal.Relation, f Filter, s Spelling) (string, error) {
	w := sqlWriter{binder: binder{rel: rel, wire: true}, spelled: s}
	return w.all(f, " and ", "true")
}

// sqlWriter writes the conditions of one filter.
type sqlWriter struct {
	binder  binder
	spelled Spelling
}

// all writes conditions with a word between them, or what none of them means.
func (w *sqlWriter) all(f Filter, word, none string) (string, error) {
	if len(f) == 0 {
		return none, nil
	}
	parts := make([]string, len(f))
	for i := range f {
		part, err := w.condition(&f[i])
		if err != nil {
			return "", err
		}
		parts[i] = part
	}
	return "(" + strings.Join(parts, word) + ")", nil
}

func (w *sqlWriter) condition(c *Condition) (text string, err error) {
	switch c.Op {
	case All:
		text, err = w.all(c.Group, " and ", "true")
	case Any:
		text, err = w.all(c.Group, " or ", "false")
	default:
		text, err = w.comparison(c)
	}
	if err == nil && c.Negate {
		text = "(not " + text + ")"
	}
	return text, err
}

func (w *sqlWriter) comparison(c *Condition) (string, error) {
	o, err := newOperand(w.binder.rel, c.Column)
	if err != nil {
		return "", err
	}
	column := o.sql(true)
	equal := func() string { return fmt.Sprintf("%s %s %s", column, w.operator(o, Eq), w.literal(o, c)) }
	switch {
	case c.Op == Is:
		return "(" + o.sql(false) + " is " + c.Value + ")", nil
	case c.Op == IsDistinct && c.Value == "null":
		return "(" + o.sql(false) + " is distinct from null)", nil
	case c.Op == IsDistinct: // by the operator of the type, wherever that is
		return fmt.Sprintf("(case when %s is distinct from null then not (%s) else true end)", o.sql(false), equal()), nil
	case c.Op == In:
		return fmt.Sprintf("(%s %s any (%s))", column, w.operator(o, Eq), w.literal(o, c)), nil
	}
	return fmt.Sprintf("(%s %s %s)", column, w.operator(o, c.Op), w.literal(o, c)), nil
}

// operator is an operator with its schema.
func (w *sqlWriter) operator(o *operand, op Operator) string {
	schema := "pg_catalog"
	if own := home(o.typ); own != "" && !w.spelled.Builtin {
		schema = quoteName(own)
	}
	return "operator(" + schema + "." + op.Symbol() + ")"
}

// literal is the literal of a condition, as a value of its operand's type.
func (w *sqlWriter) literal(o *operand, c *Condition) string {
	base := o.typ.Underlying()
	switch {
	case c.Op.onPatterns() && base.OID != oidBytea: // for all other types the pattern is text
		return quoteText(c.Value) + "::pg_catalog.text"
	case w.spelled.Untyped && base.Schema != "pg_catalog":
		return quoteText(c.Value)
	}
	typ := o.typ
	if w.spelled.Untyped {
		typ = base
	}
	text, array := c.Value, ""
	switch {
	case c.Op == In && base.OID == oidBytea:
		text, array = w.byteaList(o, c.Value), "[]"
	case c.Op == In:
		array = "[]"
	case !c.Op.onPatterns():
		text = w.binder.spelling(o, c.Value)
	}
	return quoteText(text) + "::" + quoteName(typ.Schema) + "." + quoteName(typ.Name) + array
}

// byteaList adds the \x to each value of a list that may lack it.
func (w *sqlWriter) byteaList(o *operand, list string) string {
	read, err := datum.ParseArray(list, ',')
	if err != nil {
		return list // Postgres says what is wrong
	}
	values := make([]string, len(read.Elements))
	for i, e := range read.Elements {
		if values[i] = "NULL"; !e.Null {
			values[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w.binder.spelling(o, e.Text)) + `"`
		}
	}
	return "{" + strings.Join(values, ",") + "}"
}

// sql is the operand as SQL has it. Filters compare text by the collation of the
// database, whatever that of the column is.
func (o *operand) sql(collated bool) string {
	name := o.name
	if o.path != nil {
		name, _, _ = strings.Cut(o.name, "->")
	}
	column := "t." + quoteName(name)
	if o.path == nil {
		if collated && isCollatable(o.typ) {
			return "(" + column + ` collate pg_catalog."default")`
		}
		return column
	}
	for i, step := range o.path.Steps {
		arrow, key := "->", quoteText(step.Key)+"::pg_catalog.text"
		if o.path.AsText && i == len(o.path.Steps)-1 {
			arrow = "->>"
		}
		if step.IsIndex {
			key = "(" + strconv.Itoa(step.Index) + ")::pg_catalog.int4"
		}
		column = "(" + column + " operator(pg_catalog." + arrow + ") " + key + ")"
	}
	return column
}

// isCollatable reports whether values of a type are compared by a collation.
func isCollatable(t *wal.Type) bool {
	for t = t.Underlying(); t.Element != nil && t.Kind == wal.KindArray; {
		t = t.Element.Underlying()
	}
	switch t.OID {
	case oidText, oidVarchar, oidBpchar, oidName:
		return true
	}
	return t.Kind == wal.KindBase && t.Name == "citext"
}

// quoteName and quoteText are sql.QuoteName and sql.QuoteText of policy, which is
// above this package.
func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// Symbol is the operator as SQL has it. Is, In, IsDistinct and groups have none.
func (o Operator) Symbol() string {
	switch o {
	case Eq:
		return "="
	case Neq:
		return "<>"
	case Lt:
		return "<"
	case Lte:
		return "<="
	case Gt:
		return ">"
	case Gte:
		return ">="
	case Like:
		return "~~"
	case ILike:
		return "~~*"
	case Match:
		return "~"
	case IMatch:
		return "~*"
	case Contains:
		return "@>"
	case ContainedBy:
		return "<@"
	case Overlaps:
		return "&&"
	}
	panic("filters: no SQL for operator " + string(o))
}
