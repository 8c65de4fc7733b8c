package sql

import "strings"

// Expression is a node of an SQL expression as far as it may be compiled.
type Expression interface {
	// String writes SQL that parses to the same expression.
	String() string
}

type (
	// Column is a column of the table that the policy is on.
	Column struct{ Name string }
	// Literal is a constant: 'text', 5, 1.5, true, null.
	Literal struct {
		text string
		kind literalKind
	}
	// Cast is arg::type.
	Cast struct {
		Arg  Expression
		Type TypeName
	}
	// Call is a function call; each part of the name is unquoted.
	Call struct {
		Name []string
		Args []Expression
	}
	// Binary is left op right, without AND and OR.
	Binary struct {
		Op          string
		Left, Right Expression
	}
	// AnyOf is left = ANY (array).
	AnyOf struct{ Left, Array Expression }
	// Array is ARRAY[…].
	Array struct{ Items []Expression }
	// Logic is AND or OR of at least two.
	Logic struct {
		Or    bool
		Items []Expression
	}
	// Not is NOT arg.
	Not struct{ Arg Expression }
	// Is is "arg IS [NOT] NULL|TRUE|FALSE|UNKNOWN".
	Is struct {
		Arg    Expression
		What   string // "null", "true", "false", "unknown"
		Negate bool
	}
	// CurrentUser is CURRENT_USER and its synonyms.
	CurrentUser struct{}
)

type literalKind uint8

const (
	literalString literalKind = iota // untyped until it is cast
	literalNumber
	literalBool
	literalNull
)

func (e Column) String() string { return QuoteName(e.Name) }

func (e Literal) String() string {
	if e.kind == literalString {
		return QuoteText(e.text)
	}
	return e.text
}

func (e Cast) String() string { return "(" + e.Arg.String() + ")::" + string(e.Type) }

func (e Call) String() string {
	if len(e.Name) == 1 && isSyntax(e.Name[0]) {
		return e.Name[0] + "(" + join(e.Args, ", ") + ")"
	}
	parts := make([]string, len(e.Name))
	for i, n := range e.Name {
		parts[i] = QuoteName(n)
	}
	return strings.Join(parts, ".") + "(" + join(e.Args, ", ") + ")"
}

func (e Binary) String() string {
	return "(" + e.Left.String() + " " + e.Op + " " + e.Right.String() + ")"
}

func (e AnyOf) String() string { return "(" + e.Left.String() + " = any (" + e.Array.String() + "))" }
func (e Array) String() string { return "array[" + join(e.Items, ", ") + "]" }

func (e Logic) String() string {
	if e.Or {
		return "(" + join(e.Items, " or ") + ")"
	}
	return "(" + join(e.Items, " and ") + ")"
}

func (e Not) String() string { return "(not " + e.Arg.String() + ")" }

func (e Is) String() string {
	if e.Negate {
		return "(" + e.Arg.String() + " is not " + e.What + ")"
	}
	return "(" + e.Arg.String() + " is " + e.What + ")"
}

func (e CurrentUser) String() string { return "current_user" }

func join(items []Expression, separator string) string {
	parts := make([]string, len(items))
	for i, e := range items {
		parts[i] = e.String()
	}
	return strings.Join(parts, separator)
}

// QuoteName writes an identifier that means the same everywhere. It is what
// pgx.Identifier.Sanitize does to a name as Postgres has it, which has no NUL, but
// this package does without a driver, as lanes use it while they match.
func QuoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// QuoteText writes a literal, with standard_conforming_strings on.
func QuoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
