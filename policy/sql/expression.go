package policy

import "strings"

// expression is a node of an SQL expression as far as it may be compiled.
type expression interface {
	// String writes SQL that parses to the same expression.
	String() string
}

type (
	// columnRef is a column of the table that the policy is on.
	columnRef struct{ name string }
	// literal is a constant: 'text', 5, 1.5, true, null.
	literal struct {
		text string
		kind literalKind
	}
	// cast is arg::typ.
	cast struct {
		arg expression
		typ typeName
	}
	// call is a function call; name is as written, each part unquoted.
	call struct {
		name []string
		args []expression
	}
	// binary is left op right, without AND and OR.
	binary struct {
		op          string
		left, right expression
	}
	// anyOf is left = ANY (array).
	anyOf struct{ left, array expression }
	// array is ARRAY[…].
	array struct{ items []expression }
	// logic is AND or OR of at least two.
	logic struct {
		or    bool
		items []expression
	}
	// not is NOT arg.
	not struct{ arg expression }
	// is is "arg IS [NOT] NULL|TRUE|FALSE|UNKNOWN".
	is struct {
		arg    expression
		what   string // "null", "true", "false", "unknown"
		negate bool
	}
	// currentUser is CURRENT_USER and its synonyms.
	currentUser struct{}
)

type literalKind uint8

const (
	literalString literalKind = iota // untyped until it is cast
	literalNumber
	literalBool
	literalNull
)

// typeName is a type as format_type prints it, array marks included:
// "character varying", "public.mood", "text[]".
type typeName string

func (t typeName) isArray() bool     { return strings.HasSuffix(string(t), "[]") }
func (t typeName) element() typeName { return typeName(strings.TrimSuffix(string(t), "[]")) }

func (e columnRef) String() string { return quoteName(e.name) }

func (e literal) String() string {
	if e.kind == literalString {
		return quoteText(e.text)
	}
	return e.text
}

func (e cast) String() string { return "(" + e.arg.String() + ")::" + string(e.typ) }

func (e call) String() string {
	if len(e.name) == 1 && isSyntax(e.name[0]) {
		return e.name[0] + "(" + join(e.args, ", ") + ")"
	}
	parts := make([]string, len(e.name))
	for i, n := range e.name {
		parts[i] = quoteName(n)
	}
	return strings.Join(parts, ".") + "(" + join(e.args, ", ") + ")"
}

func (e binary) String() string {
	return "(" + e.left.String() + " " + e.op + " " + e.right.String() + ")"
}

func (e anyOf) String() string { return "(" + e.left.String() + " = any (" + e.array.String() + "))" }
func (e array) String() string { return "array[" + join(e.items, ", ") + "]" }

func (e logic) String() string {
	if e.or {
		return "(" + join(e.items, " or ") + ")"
	}
	return "(" + join(e.items, " and ") + ")"
}

func (e not) String() string { return "(not " + e.arg.String() + ")" }

func (e is) String() string {
	if e.negate {
		return "(" + e.arg.String() + " is not " + e.what + ")"
	}
	return "(" + e.arg.String() + " is " + e.what + ")"
}

func (e currentUser) String() string { return "current_user" }

func join(items []expression, separator string) string {
	parts := make([]string, len(items))
	for i, e := range items {
		parts[i] = e.String()
	}
	return strings.Join(parts, separator)
}

// quoteName writes an identifier that means the same everywhere.
func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// quoteText writes a literal, with standard_conforming_strings on.
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
