package datum

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds recursion over a client's literal.
const maxJSONDepth = 1000

// jsonParser reads JSON from the front of rest. Methods report false for
// anything that is not certainly JSON, or not certainly jsonb.
type jsonParser struct{ rest string }

func (p *jsonParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take consumes a token if it is next.
func (p *jsonParser) take(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return ok
}

func (p *jsonParser) value(depth int) (JSON, bool) {
	p.space()
	if p.rest == "" || depth > maxJSONDepth {
		return JSON{}, false
	}
	switch p.rest[0] {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		text, ok := p.string()
		return JSON{kind: '"', text: text}, ok
	case 'n':
		return JSON{kind: 'n'}, p.take("null")
	case 't':
		return JSON{kind: 't'}, p.take("true")
	case 'f':
		return JSON{kind: 'f'}, p.take("false")
	}
	return p.number()
}

func (p *jsonParser) object(depth int) (JSON, bool) {
	doc := JSON{kind: '{', fields: map[string]JSON{}}
	p.take("{")
	if p.space(); p.take("}") {
		return doc, true
	}
	for {
		p.space()
		name, ok := p.string()
		if p.space(); !ok || !p.take(":") {
			return doc, false
		}
		if doc.fields[name], ok = p.value(depth + 1); !ok {
			return doc, false
		}
		if p.space(); p.take("}") {
			return doc, true
		}
		if !p.take(",") {
			return doc, false
		}
	}
}

func (p *jsonParser) array(depth int) (JSON, bool) {
	doc := JSON{kind: '['}
	p.take("[")
	if p.space(); p.take("]") {
		return doc, true
	}
	for {
		item, ok := p.value(depth + 1)
		if !ok {
			return doc, false
		}
		doc.items = append(doc.items, item)
		if p.space(); p.take("]") {
			return doc, true
		}
		if !p.take(",") {
			return doc, false
		}
	}
}

func (p *jsonParser) number() (JSON, bool) {
	end := 0
	for end < len(p.rest) && (isDigit(p.rest[end]) || strings.IndexByte("+-.eE", p.rest[end]) >= 0) {
		end++
	}
	text := p.rest[:end]
	p.rest = p.rest[end:]
	mantissa, exponent, ok := splitNumber(text)
	whole, fraction, point := strings.Cut(strings.TrimPrefix(mantissa, "-"), ".")
	if !ok || !isDigits(whole) || len(whole) > 1 && whole[0] == '0' || point && fraction == "" {
		return JSON{}, false
	}
	if exponent == "" && strings.ContainsAny(text, "eE") {
		return JSON{}, false
	}
	digits, ok := expand(mantissa, exponent)
	return JSON{kind: '#', text: digits}, ok
}

// string reads a string and undoes its escapes.
func (p *jsonParser) string() (string, bool) {
	if !p.take(`"`) {
		return "", false
	}
	end := strings.IndexAny(p.rest, `"\`)
	if end >= 0 && p.rest[end] == '"' && plainText(p.rest[:end]) {
		text := p.rest[:end]
		p.rest = p.rest[end+1:]
		return text, true
	}
	var text []byte
	for p.rest != "" {
		c := p.rest[0]
		switch {
		case c == '"':
			p.rest = p.rest[1:]
			return string(text), utf8.Valid(text)
		case c < ' ':
			return "", false
		case c == '\\':
			var ok bool
			if text, ok = p.escape(text); !ok {
				return "", false
			}
		default:
			text, p.rest = append(text, c), p.rest[1:]
		}
	}
	return "", false
}

func plainText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' {
			return false
		}
	}
	return utf8.ValidString(s)
}

func (p *jsonParser) escape(text []byte) ([]byte, bool) {
	if len(p.rest) < 2 {
		return nil, false
	}
	c := p.rest[1]
	if c == 'u' {
		r, ok := p.unicode()
		return utf8.AppendRune(text, r), ok
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 {
		return nil, false
	}
	p.rest = p.rest[2:]
	return append(text, "\"\\/\b\f\n\r\t"[i]), true
}

// unicode reads \uXXXX, or two of them that make a pair.
func (p *jsonParser) unicode() (rune, bool) {
	first, ok := p.codeUnit()
	if !ok || first == 0 {
		return 0, false
	}
	if !utf16.IsSurrogate(first) {
		return first, true
	}
	second, ok := p.codeUnit()
	r := utf16.DecodeRune(first, second)
	return r, ok && r != utf8.RuneError
}

func (p *jsonParser) codeUnit() (rune, bool) {
	if len(p.rest) < 6 || p.rest[0] != '\\' || p.rest[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(p.rest[2:6]) {
		digit := hexDigit(c)
		if digit < 0 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	p.rest = p.rest[6:]
	return r, true
}
