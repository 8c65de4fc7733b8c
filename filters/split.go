package filters

import "strings"

// nesting is how deep in parentheses, and whether in quotes, a byte of a filter is.
type nesting struct {
	depth      int
	quoted     bool
	escaped    bool
	unbalanced bool // there was a closing parenthesis too many
}

// next takes in the byte at i. before is the byte that precedes s. A quote opens
// only after a point, a parenthesis or a comma; elsewhere it is an ordinary
// character.
func (n *nesting) next(s string, i int, before byte) {
	c := s[i]
	if n.quoted {
		switch {
		case n.escaped:
			n.escaped = false
		case c == '\\':
			n.escaped = true
		case c == '"':
			n.quoted = false
		}
		return
	}
	if i > 0 {
		before = s[i-1]
	}
	switch c {
	case '"':
		n.quoted = before == '.' || before == '(' || before == ','
	case '(':
		n.depth++
	case ')':
		if n.depth == 0 {
			n.unbalanced = true
			return
		}
		n.depth--
	}
}

// split cuts at commas outside parentheses and quotes, and outside the brackets
// of a literal behind cs, cd or ov. assign is what stands between a column and
// its operator: '=' or, within a group, '.'.
func split(s string, assign byte) []string {
	before := byte(0)
	if assign == '.' {
		before = '('
	}
	var segments []string
	var n nesting
	start, open := 0, 0
	for i := 0; i < len(s); i++ {
		if n.depth == 0 && !n.quoted {
			if s[i] == ',' {
				segments = append(segments, s[start:i])
				start = i + 1
				continue
			}
			if open <= maxOpenLiterals && literalOpens(s, start, i, assign) {
				if end := literalEnd(s, i); end > 0 {
					i = end
					continue
				}
				open++
			}
		}
		n.next(s, i, before)
	}
	return append(segments, s[start:])
}

// maxOpenLiterals bounds how many literals without a closing bracket are read, each
// to the end of the filter. Later brackets are ordinary characters.
const maxOpenLiterals = 16

// literalOpens reports whether the literal of an array, a range or a document
// opens at i.
func literalOpens(s string, start, i int, assign byte) bool {
	return strings.IndexByte("{[(", s[i]) >= 0 && i > 0 && s[i-1] == '.' && headsSet(s[start:i], assign)
}

// literalEnd returns the index of the bracket that closes the bracket at i, or 0. A
// range may close with another kind of bracket than it opens with.
func literalEnd(s string, i int) int {
	depth, quoted := 0, false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[' || c == '(':
			depth++
		case c == '}' || c == ']' || c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return 0
}

// headsSet reports whether head is column=[not.]op. with an operator on sets.
func headsSet(head string, assign byte) bool {
	_, op, ok := strings.Cut(head, string(assign))
	op = strings.TrimSuffix(strings.TrimPrefix(op, "not."), ".")
	return ok && Operator(op).onSets()
}
