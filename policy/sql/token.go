package sql

import (
	"errors"
	"fmt"
	"strings"
)

// tokenKind is a kind of SQL token.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenName             // identifier or keyword, folded to lower case
	tokenQuoted           // "identifier", never a keyword
	tokenString           // 'literal'
	tokenNumber
	tokenSymbol // operator or punctuation
)

// token is one token of SQL; text is without quotes.
type token struct {
	kind tokenKind
	text string
}

// symbols are what SQL of the kind that is compiled consists of, longest
// first. Anything else ends the attempt.
func symbols() []string {
	return []string{"::", "->>", "->", "#>>", "#>", "<>", "<=", ">=", "!=", "(", ")", "[", "]", ",", ".", ";", "=", "<", ">"}
}

// tokenize splits SQL as it is read with standard_conforming_strings on. It
// refuses what needs more than that: E”, U&”, $$, parameters.
func tokenize(sql string) ([]token, error) {
	var tokens []token
	for {
		rest, err := skipBlank(sql)
		if err != nil {
			return nil, err
		}
		if rest == "" {
			return append(tokens, token{kind: tokenEnd}), nil
		}
		t, n, err := nextToken(rest)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		sql = rest[n:]
	}
}

// skipBlank removes white space and comments before a token.
func skipBlank(s string) (string, error) {
	for {
		s = strings.TrimLeft(s, " \t\r\n\f\v")
		switch {
		case strings.HasPrefix(s, "--"):
			_, rest, _ := strings.Cut(s, "\n")
			s = rest
		case strings.HasPrefix(s, "/*"):
			body, rest, ok := strings.Cut(s[2:], "*/")
			if !ok || strings.Contains(body, "/*") { // nested ones count in SQL
				return "", errors.New("comment that is not closed")
			}
			s = rest
		default:
			return s, nil
		}
	}
}

// nextToken reads the token at the start of s and returns its length.
func nextToken(s string) (token, int, error) {
	switch c := s[0]; {
	case c == '\'':
		text, n, err := quoted(s, '\'')
		return token{tokenString, text}, n, err
	case c == '"':
		text, n, err := quoted(s, '"')
		return token{tokenQuoted, text}, n, err
	case isLetter(c):
		n := 1
		for n < len(s) && (isLetter(s[n]) || isDigit(s[n]) || s[n] == '$') {
			n++
		}
		if n < len(s) && (s[n] == '\'' || strings.HasPrefix(s[n:], "&'")) {
			return token{}, 0, fmt.Errorf("string with prefix %q", s[:n])
		}
		return token{tokenName, strings.ToLower(s[:n])}, n, nil
	case isDigit(c):
		n := number(s)
		return token{tokenNumber, s[:n]}, n, nil
	}
	for _, symbol := range symbols() {
		if strings.HasPrefix(s, symbol) && !isOperator(s, len(symbol)) {
			return token{tokenSymbol, symbol}, len(symbol), nil
		}
	}
	return token{}, 0, fmt.Errorf("symbol at %.10q", s)
}

// isOperator reports whether the n bytes at the start of s are only a part of a
// longer operator, which an extension could define.
func isOperator(s string, n int) bool {
	const characters = "+-*/<>=~!@#%^&|`?"
	if !strings.ContainsRune(characters, rune(s[n-1])) || n >= len(s) {
		return false
	}
	return strings.ContainsRune(characters, rune(s[n]))
}

// quoted reads a quoted token in which the quote itself is doubled.
func quoted(s string, quote byte) (string, int, error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != quote:
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == quote:
			b.WriteByte(quote)
			i++
		default:
			return b.String(), i + 1, nil
		}
	}
	return "", 0, errors.New("quote that is not closed")
}

// number is the length of the plain number at the start of s; exponents are
// left over and refused as names.
func number(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		for n++; n < len(s) && isDigit(s[n]); n++ {
		}
	}
	return n
}

// isLetter is narrower than SQL: Postgres quotes names with other letters.
func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
