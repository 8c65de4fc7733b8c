package filters

import (
	"fmt"
	"slices"
	"strings"
)

// Operator is one of the wire's operators.
type Operator string

// The operators of upstream (docs/protocol.md, "Filters").
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

// The operators that PostgREST has and upstream lacks. Any and All
// stand before groups of conditions.
const (
	Contains    Operator = "cs"
	ContainedBy Operator = "cd"
	Overlaps    Operator = "ov"
	Any         Operator = "or"
	All         Operator = "and"
)

// known reports whether a condition may have the operator.
func (o Operator) known() bool {
	switch o {
	case Eq, Neq, Lt, Lte, Gt, Gte, In, Like, ILike, Is, Match, IMatch, IsDistinct:
		return true
	}
	return o.onSets()
}

// onSets reports whether the operator compares arrays, ranges or documents.
func (o Operator) onSets() bool { return o == Contains || o == ContainedBy || o == Overlaps }

// onPatterns reports whether the operator matches text with a pattern.
func (o Operator) onPatterns() bool { return o == Like || o == ILike || o == Match || o == IMatch }

// grouping reports whether the operator stands before a group.
func (o Operator) grouping() bool { return o == Any || o == All }

// Condition is one "column=op.value" of a filter, or with Any and All a group
// "or=(a.eq.1,b.gt.2)" whose conditions are in Group.
type Condition struct {
	Column string // as written; may end in a JSON path, data->a->>b
	Op     Operator
	Value  string // unquoted; for In the Postgres array literal "{a,b}"
	Negate bool
	Group  Filter

	// Readings is how Postgres read Value when Resolve asked.
	Readings []Reading
}

// Reading is a literal as a type of Postgres prints it after reading it.
type Reading struct {
	Type uint32 // the type's OID; for In that of the element type
	Text string
}

// Filter is the conditions of a binding, all of which must hold. The empty Filter
// holds for every row.
type Filter []Condition

// String writes a filter that parses to the same conditions.
func (f Filter) String() string {
	var out strings.Builder
	for _, c := range f {
		if out.Len() > 0 {
			out.WriteByte(',')
		}
		c.write(&out)
	}
	return out.String()
}

// identity returns a text that is equal only for filters that hold for the same
// rows of any relation: the conditions and their readings.
func (f Filter) identity() string {
	var out strings.Builder
	out.WriteString(f.String())
	f.writeReadings(&out)
	return out.String()
}

// writeReadings writes the readings such that no two filters read the same.
func (f Filter) writeReadings(out *strings.Builder) {
	for i, c := range f {
		c.Group.writeReadings(out)
		for _, r := range c.Readings {
			fmt.Fprintf(out, "\x00%d %d %q", i, r.Type, r.Text)
		}
	}
}

// write writes a condition that is not in a group.
func (c Condition) write(out *strings.Builder) {
	if c.Op.grouping() {
		c.writeNegation(out)
		out.WriteString(string(c.Op))
		out.WriteByte('=')
		c.writeGroup(out)
		return
	}
	head := c.Column + "="
	if c.Negate {
		head += "not."
	}
	head += string(c.Op) + "."
	out.WriteString(head)
	out.WriteString(c.fittingValue(head, out.Len() > len(head)))
}

// fittingValue returns the value with quotes if it needs them. If the column's name
// has a quote or a parenthesis in it, quotes around the value may read differently;
// then it returns the spelling that parses to the value as part of the filter or,
// as nothing may follow such a condition, at the filter's end.
func (c Condition) fittingValue(head string, behind bool) string {
	if c.Op == In || !strings.ContainsAny(c.Column, `"(),`) {
		return c.writtenValue()
	}
	values := []string{c.writtenValue(), c.Value}
	for _, value := range values {
		if stands(behind, head+value, "x") {
			return value
		}
	}
	for _, value := range values {
		if got, err := parseCondition(head + value); err == nil && got.Value == c.Value && stands(behind, head+value) {
			return value
		}
	}
	return values[0]
}

// stands reports whether split finds the condition as one segment, with the given
// segments after it and, if behind is set, another segment before it.
func stands(behind bool, condition string, after ...string) bool {
	want := append([]string{condition}, after...)
	if behind {
		want = append([]string{""}, want...)
	}
	return slices.Equal(split(strings.Join(want, ","), '='), want)
}

// writeNegation writes the not. of a negated condition.
func (c Condition) writeNegation(out *strings.Builder) {
	if c.Negate {
		out.WriteString("not.")
	}
}

// writeGroup writes the conditions of a group in parentheses.
func (c Condition) writeGroup(out *strings.Builder) {
	out.WriteByte('(')
	for i, item := range c.Group {
		if i > 0 {
			out.WriteByte(',')
		}
		item.writeItem(out)
	}
	out.WriteByte(')')
}

// writeItem writes a condition of a group.
func (c Condition) writeItem(out *strings.Builder) {
	if c.Op.grouping() {
		c.writeNegation(out)
		out.WriteString(string(c.Op))
		c.writeGroup(out)
		return
	}
	if c.Column == "" || strings.ContainsAny(c.Column, `.,()"=\`) || c.Column != strings.TrimSpace(c.Column) {
		writeQuoted(out, c.Column)
	} else {
		out.WriteString(c.Column)
	}
	out.WriteByte('.')
	c.writeNegation(out)
	out.WriteString(string(c.Op))
	out.WriteByte('.')
	out.WriteString(c.writtenValue())
}

// writtenValue returns the value with quotes if it needs them.
func (c Condition) writtenValue() string {
	if c.Op == In {
		return "(" + c.Value[1:len(c.Value)-1] + ")"
	}
	if c.Value == strings.TrimSpace(c.Value) && !strings.ContainsAny(c.Value, `,()"\`) && !(c.Op.onSets() && strings.ContainsAny(c.Value, "[]{}")) {
		return c.Value
	}
	var out strings.Builder
	writeQuoted(&out, c.Value)
	return out.String()
}

// writeQuoted writes s in quotes, with a backslash before quotes and backslashes.
func writeQuoted(out *strings.Builder, s string) {
	out.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			out.WriteByte('\\')
		}
		out.WriteByte(s[i])
	}
	out.WriteByte('"')
}
