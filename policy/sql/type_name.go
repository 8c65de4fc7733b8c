package sql

import (
	"errors"
	"strings"
)

// TypeName is a type as format_type prints it, array marks included:
// "character varying", "public.mood", "text[]".
type TypeName string

func (t TypeName) isArray() bool     { return strings.HasSuffix(string(t), "[]") }
func (t TypeName) element() TypeName { return TypeName(strings.TrimSuffix(string(t), "[]")) }

// typeName reads a type without modifiers.
func (p *parser) typeName() (TypeName, error) {
	t := p.next()
	if t.kind != tokenName && t.kind != tokenQuoted {
		return "", errors.New("unexpected type")
	}
	name := t.text
	if t.kind == tokenQuoted {
		name = QuoteName(name)
	}
	switch {
	case t == token{tokenName, "double"} && p.keyword("precision"):
		name = "double precision"
	case t == token{tokenName, "character"} && p.keyword("varying"):
		name = "character varying"
	case t == token{tokenName, "timestamp"} || t == token{tokenName, "time"}:
		zone, err := p.timeZone()
		if err != nil {
			return "", err
		}
		name += zone
	case p.symbol("."):
		part := p.next()
		if part.kind != tokenName && part.kind != tokenQuoted {
			return "", errors.New("unexpected type")
		}
		name = Qualified(t.text, part.text)
	}
	if p.symbol("[") {
		if err := p.expect("]"); err != nil {
			return "", err
		}
		name += "[]"
	}
	return TypeName(name), nil
}

func (p *parser) timeZone() (string, error) {
	with := p.keyword("with")
	if !with && !p.keyword("without") {
		return " without time zone", nil
	}
	if !p.keyword("time") || !p.keyword("zone") {
		return "", p.unexpected()
	}
	if with {
		return " with time zone", nil
	}
	return " without time zone", nil
}

// Qualified is a type's or a function's name with its schema, always quoted.
func Qualified(schema, name string) string { return QuoteName(schema) + "." + QuoteName(name) }
