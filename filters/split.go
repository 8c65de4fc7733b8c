package filters

import "strings"

// scan is what a byte of a filter stands in: parentheses and quotes.
type scan struct {
	depth      int
	quoted     bool
	escaped    bool
	unbalanced bool // a parenthesis was closed that was not open
}

// next takes the byte at i. before is what precedes the first byte of s. A
// quote opens only behind a point, a parenthesis or a comma; elsewhere it is an
// ordinary character.
func (q *scan) next(s string, i int, before byte) {
	c := s[i]
	if q.quoted {
		switch {
		case q.escaped:
			q.escaped = false
		case c == '\\':
			q.escaped = true
		case c == '"':
			q.quoted = false
		}
		return
	}
	if i > 0 {
		before = s[i-1]
	}
	switch c {
	case '"':
		q.quoted = before == '.' || before == '(' || before == ','
	case '(':
		q.depth++
	case ')':
		if q.depth == 0 {
			q.unbalanced = true
			return
		}
		q.depth--
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
	var q scan
	start := 0
	for i := 0; i < len(s); i++ {
		if q.depth == 0 && !q.quoted {
			if s[i] == ',' {
				segments = append(segments, s[start:i])
				start = i + 1
				continue
			}
			if end := literalEnd(s, start, i, assign); end > 0 {
				i = end
				continue
			}
		}
		q.next(s, i, before)
	}
	return append(segments, s[start:])
}

// literalEnd is the index of the bracket that closes the literal of an array, a
// range or a document that opens at i, or 0. A range may close with another
// kind than it opens with.
func literalEnd(s string, start, i int, assign byte) int {
	if strings.IndexByte("{[(", s[i]) < 0 || i == 0 || s[i-1] != '.' || !headsSet(s[start:i], assign) {
		return 0
	}
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

// headsSet reports whether head is column=[not.]op. of an operator on sets.
func headsSet(head string, assign byte) bool {
	_, op, ok := strings.Cut(head, string(assign))
	op = strings.TrimSuffix(strings.TrimPrefix(op, "not."), ".")
	return ok && Operator(op).onSets()
}
