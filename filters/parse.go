package filters

import (
	"errors"
	"fmt"
	"strings"

	"walcast/internal/elixir"
)

// ParseError is a filter that cannot be read. Its message is upstream's
// (docs/protocol.md, "Texts of errors").
type ParseError struct {
	Message string
	cause   error
}

func (e *ParseError) Error() string { return e.Message }

// Unwrap returns ErrUnknownOperator if the error is about an operator.
func (e *ParseError) Unwrap() error { return e.cause }

// ErrUnknownOperator means that a condition has an operator that does not exist.
var ErrUnknownOperator = errors.New("unknown operator")

func parseError(text string) *ParseError {
	return &ParseError{Message: "Error parsing `filter` params: " + text}
}

// notUnderstood returns the error that shows the pieces of a condition that cannot
// be read, as upstream shows them.
func notUnderstood(pieces ...string) *ParseError { return parseError(elixir.InspectList(pieces)) }

func unknownOperator(op, value string) error {
	e := notUnderstood(op, value)
	e.cause = ErrUnknownOperator
	return e
}

var (
	errEmptySegment = parseError("filter must not contain empty segments (check for extra commas)")
	errParentheses  = parseError("`in` filter value must be wrapped by parentheses")
	errTooDeep      = parseError("groups are nested too deeply")
)

// Bounds of what a client may write.
const (
	maxGroupDepth   = 20       // recursion
	maxFilterBytes  = 64 << 10 // the whole text
	maxConditions   = 1000     // groups count, and the conditions in them
	maxPatternBytes = 8 << 10  // a pattern may have to be sent to Postgres with each row
)

// Parse reads the grammar of docs/protocol.md, "Filters": that of upstream, and groups, the operators on sets and JSON paths in PostgREST's
// notation. Its errors are *ParseError.
func Parse(s string) (Filter, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	if len(s) > maxFilterBytes {
		return nil, tooMuch("the filter has %d bytes. Maximum %d", len(s), maxFilterBytes)
	}
	var f Filter
	for _, segment := range split(s, '=') {
		c, err := parseCondition(strings.TrimSpace(segment))
		if err != nil {
			return nil, err
		}
		f = append(f, c)
	}
	if n := f.conditions(); n > maxConditions {
		return nil, tooMuch("the filter has %d conditions. Maximum %d", n, maxConditions)
	}
	return f, nil
}

func tooMuch(format string, args ...any) error { return parseError(fmt.Sprintf(format, args...)) }

// conditions counts the conditions, the groups and the conditions in groups.
func (f Filter) conditions() int {
	n := len(f)
	for _, c := range f {
		n += c.Group.conditions()
	}
	return n
}

// parseCondition reads column=[not.]op.value, or a group.
func parseCondition(s string) (Condition, error) {
	if s == "" {
		return Condition{}, errEmptySegment
	}
	column, rest, ok := strings.Cut(s, "=")
	if !ok {
		return Condition{}, notUnderstood(s)
	}
	if op, negate, ok := groupOperator(column); ok && enclosed(rest) {
		return parseGroup(op, negate, rest, 1)
	}
	return parseComparison(column, rest)
}

// parseComparison reads [not.]op.value.
func parseComparison(column, s string) (Condition, error) {
	s, negate := strings.CutPrefix(s, "not.")
	op, value, ok := strings.Cut(s, ".")
	if !ok {
		return Condition{}, notUnderstood(s)
	}
	c := Condition{Column: column, Op: Operator(op), Negate: negate}
	if !c.Op.known() {
		return Condition{}, unknownOperator(op, value)
	}
	if c.Op != In {
		c.Value = unquote(value)
		if n := len(c.Value); c.Op.onPatterns() && n > maxPatternBytes {
			return Condition{}, tooMuch("the pattern of a `%s` filter has %d bytes. Maximum %d", c.Op, n, maxPatternBytes)
		}
		return c, nil
	}
	if len(value) < 2 || value[0] != '(' || value[len(value)-1] != ')' {
		return Condition{}, errParentheses
	}
	c.Value = "{" + value[1:len(value)-1] + "}"
	return c, nil
}

// groupOperator reads the operator before the parenthesis of a group. It is not ok
// for any other text.
func groupOperator(s string) (op Operator, negate, ok bool) {
	s, negate = strings.CutPrefix(s, "not.")
	op = Operator(s)
	return op, negate, op.grouping()
}

// enclosed reports whether one pair of parentheses holds all of s.
func enclosed(s string) bool {
	if len(s) < 2 || s[0] != '(' || s[len(s)-1] != ')' {
		return false
	}
	inner := s[1 : len(s)-1]
	var n nesting
	for i := range len(inner) {
		n.next(inner, i, '(')
		if n.unbalanced {
			return false
		}
	}
	return !n.quoted && n.depth == 0
}

// parseGroup reads the parenthesised conditions of a group.
func parseGroup(op Operator, negate bool, s string, depth int) (Condition, error) {
	if depth > maxGroupDepth {
		return Condition{}, errTooDeep
	}
	c := Condition{Op: op, Negate: negate}
	for _, segment := range split(s[1:len(s)-1], '.') {
		item, err := parseItem(strings.TrimSpace(segment), depth)
		if err != nil {
			return Condition{}, err
		}
		c.Group = append(c.Group, item)
	}
	return c, nil
}

// parseItem reads column.[not.]op.value, or a group within a group.
func parseItem(s string, depth int) (Condition, error) {
	if s == "" {
		return Condition{}, errEmptySegment
	}
	if i := strings.IndexByte(s, '('); i > 0 {
		if op, negate, ok := groupOperator(s[:i]); ok && enclosed(s[i:]) {
			return parseGroup(op, negate, s[i:], depth+1)
		}
	}
	if s[0] == '"' {
		if end := closingQuote(s); end > 0 && end+1 < len(s) && s[end+1] == '.' {
			return parseComparison(unescape(s[1:end]), s[end+2:])
		}
	}
	column, rest, ok := strings.Cut(s, ".")
	if !ok {
		return Condition{}, notUnderstood(s)
	}
	if strings.ContainsAny(column, `"()`) {
		return Condition{}, notUnderstood(column, rest) // a name with these characters needs quotes
	}
	return parseComparison(column, rest)
}

// unquote removes the quotes of a value that is quoted as a whole.
func unquote(s string) string {
	if s == "" || s[0] != '"' || closingQuote(s) != len(s)-1 {
		return s
	}
	return unescape(s[1 : len(s)-1])
}

// closingQuote returns the index of the quote that closes the quote at the start of
// s, or -1.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// unescape removes the backslash before each escaped character.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
