package filters

import (
	"context"
	"slices"
	"strings"

	"walcast/replication/wal"
)

// Question is a comparison that only Postgres can decide: Value::Type Op
// Literal::Type, for In Value::Type = any (Literal::Type[]), and for patterns
// with Literal::text. Without an Op it is whether Type, or an array of it, can
// read Literal, and how it prints it.
type Question struct {
	Schema, Type   string // the type as pg_type has it
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
	DoubtCollation Doubt = "collation" // text has an order of its own
	DoubtCase      Doubt = "case"      // which letters are equal but for case
	DoubtRegexp    Doubt = "regexp"    // Go reads the expression differently, or may
	DoubtLiteral   Doubt = "literal"   // the literal is odd, or depends on when it is read
	DoubtValue     Doubt = "value"     // the row's value is odd
	DoubtSize      Doubt = "size"      // Go would need too long, or too much memory
)

// Answer answers one question.
type Answer struct {
	Truth Truth      // with an Op
	Text  string     // without one
	Err   *BindError // Postgres refused; the rest is meaningless
}

// Subject is who Postgres is asked as: types may have functions of users, which
// run with the rights of who asks.
type Subject interface {
	Actor() (role, claims string)
}

// Asker puts questions to Postgres as a subject, all of them at once. An error
// means that it could not be asked; a question that raises has an Answer like
// the others. As nobody (nil) only types of Postgres' own are asked about.
type Asker interface {
	Ask(ctx context.Context, as Subject, questions []Question) ([]Answer, error)
}

// question is what to ask about a value that is not NULL.
func (c *comparison) question(text string) Question {
	why := c.why
	if why == "" {
		why = DoubtValue
	}
	t := c.operand.typ
	return Question{
		Schema: t.Schema, Type: t.Name, Home: home(t), Array: c.op == In,
		Op: c.op, Value: text, Literal: c.literal, Why: why,
	}
}

// home is the schema of a type's operators: extensions bring them along with
// their base types. It is "" for pg_catalog, which has those of all others.
func home(t *wal.Type) string {
	t = t.Underlying()
	for t.Element != nil {
		t = t.Element.Underlying()
	}
	if t.Kind != wal.KindBase || t.Schema == "pg_catalog" {
		return ""
	}
	return t.Schema
}

// volatile reports whether the answer may be another one later: dates and times
// have words for the present.
func (q Question) volatile() bool {
	words := strings.FieldsFunc(strings.ToLower(q.Literal), func(r rune) bool { return r < 'a' || r > 'z' })
	return slices.ContainsFunc(words, func(word string) bool {
		return word == "now" || word == "today" || word == "tomorrow" || word == "yesterday"
	})
}
