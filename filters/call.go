package filters

import (
	"context"
	"slices"
	"strings"

	"walcast/replication/wal"
)

// Call is a call of an operator that only Postgres can evaluate: Value::Type Op
// Literal::Type, for In Value::Type = any (Literal::Type[]), and for patterns
// with Literal::text. Without an Op it is a cast: whether Type, or an array of
// Type, can read Literal, and how it prints the result.
type Call struct {
	Schema, Type   string // the type's schema and name in pg_type
	Home           string // schema of the type's operators, "" for pg_catalog
	Array          bool   // Literal is an array of Type: for In, and maybe without Op
	Op             Operator
	Value, Literal string
	Why            Doubt
}

// Doubt is why Go is not certain of a comparison. It is a label of metrics.
type Doubt string

// The doubts.
const (
	DoubtType      Doubt = "type"      // Go does not know the type, or not its order
	DoubtCollation Doubt = "collation" // the collation orders text by rules of its own
	DoubtCase      Doubt = "case"      // Go does not know which letters differ only in case
	DoubtRegexp    Doubt = "regexp"    // Go may read the regular expression differently
	DoubtLiteral   Doubt = "literal"   // the literal is unusual, or depends on when it is read
	DoubtValue     Doubt = "value"     // the row's value is unusual
	DoubtSize      Doubt = "size"      // Go would need too long, or too much memory
)

// Answer is what Postgres says to one call.
type Answer struct {
	Truth Truth      // of a call with an Op
	Text  string     // of a call without an Op
	Err   *BindError // why Postgres refused; then the other fields mean nothing
}

// Subject is the role and the claims that Postgres is asked as. Types may have
// functions of users, which then run with the subject's rights.
type Subject interface {
	Actor() (role, claims string)
}

// Asker has Postgres evaluate calls as a subject, all of them at once. An error
// means that Postgres could not be asked; a call that raises has an Answer like
// the others. Without a subject (nil) only built-in types can be asked about.
type Asker interface {
	Ask(ctx context.Context, as Subject, calls []Call) ([]Answer, error)
}

// call is the comparison with a value that is not NULL, for Postgres to evaluate.
func (c *comparison) call(text string) Call {
	why := c.why
	if why == "" {
		why = DoubtValue
	}
	t := c.operand.typ
	return Call{
		Schema: t.Schema, Type: t.Name, Home: home(t), Array: c.op == In,
		Op: c.op, Value: text, Literal: c.literal, Why: why,
	}
}

// home returns the schema of a type's operators. A base type of an extension has
// them in its own schema; for all others it returns "", which is pg_catalog. That has
// those of arrays and ranges, whatever they are of.
func home(t *wal.Type) string {
	t = t.Underlying()
	if t.Kind != wal.KindBase || t.Schema == "pg_catalog" {
		return ""
	}
	return t.Schema
}

// volatile reports whether the answer may change with time: literals of dates and
// times may say "now".
func (c Call) volatile() bool {
	words := strings.FieldsFunc(strings.ToLower(c.Literal), func(r rune) bool { return r < 'a' || r > 'z' })
	return slices.ContainsFunc(words, func(word string) bool {
		return word == "now" || word == "today" || word == "tomorrow" || word == "yesterday"
	})
}
