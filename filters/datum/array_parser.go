package datum

import (
	"errors"
	"strings"
)

var errTrailingDelimiter = errors.New("delimiter before }")

// arrayParser reads an array literal behind its first brace. What it does not
// know for sure, array_in may know; only the commonest mistake is named.
type arrayParser struct {
	rest      string
	delimiter byte
	depth     int // open braces
	leaf      int // the depth at which elements stand, -1 before the first
	elements  []Element
	counts    [maxArrayDepth]int // items so far in the open array of each depth
	lengths   [maxArrayDepth]int // items that each array of a depth must have, 0 if unknown
}

// maxArrayDepth is Postgres' MAXDIM.
const maxArrayDepth = 6

// run reads up to the brace that closes the literal.
func (p *arrayParser) run() error {
	wantItem := false // after a delimiter
	for p.depth > 0 {
		p.rest = strings.TrimLeft(p.rest, spaces)
		if p.rest == "" {
			return ErrUncertain
		}
		var err error
		switch c := p.rest[0]; {
		case c == '}' && wantItem:
			return errTrailingDelimiter
		case c == '}':
			err = p.close()
		case c == p.delimiter && (wantItem || p.counts[p.depth-1] == 0):
			return ErrUncertain
		case c == p.delimiter:
			p.rest, wantItem = p.rest[1:], true
			continue
		case !wantItem && p.counts[p.depth-1] > 0:
			return ErrUncertain // two items without a delimiter
		case c == '{':
			err = p.open()
		default:
			err = p.element()
		}
		if err != nil {
			return err
		}
		wantItem = false
	}
	if trimSpaces(p.rest) != "" {
		return ErrUncertain
	}
	return nil
}

func (p *arrayParser) open() error {
	if p.depth == maxArrayDepth || p.leaf == p.depth {
		return ErrUncertain
	}
	p.counts[p.depth-1]++
	p.rest = p.rest[1:]
	p.counts[p.depth] = 0
	p.depth++
	return nil
}

// close checks that all arrays of a depth are of one length.
func (p *arrayParser) close() error {
	p.rest = p.rest[1:]
	p.depth--
	n := p.counts[p.depth]
	if p.lengths[p.depth] == 0 {
		p.lengths[p.depth] = n
	}
	if p.lengths[p.depth] != n || n == 0 && p.depth > 0 {
		return ErrUncertain
	}
	return nil
}

func (p *arrayParser) element() error {
	if p.leaf < 0 {
		p.leaf = p.depth
	}
	if p.leaf != p.depth {
		return ErrUncertain
	}
	p.counts[p.depth-1]++
	if p.rest[0] == '"' {
		return p.quoted()
	}
	return p.bare()
}

func (p *arrayParser) quoted() error {
	var text strings.Builder
	s := p.rest[1:]
	for {
		i := strings.IndexAny(s, `"\`)
		if i < 0 || s[i] == '\\' && i+1 == len(s) {
			return ErrUncertain
		}
		text.WriteString(s[:i])
		if s[i] == '"' {
			s = s[i+1:]
			break
		}
		text.WriteByte(s[i+1])
		s = s[i+2:]
	}
	p.rest = s
	p.elements = append(p.elements, Element{Text: text.String()})
	return nil
}

// bare reads an element without quotes; blanks around it do not count unless
// escaped, those within do.
func (p *arrayParser) bare() error {
	var text []byte
	keep, escaped, i := 0, false, 0
	for ; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == p.delimiter || c == '}':
			p.rest = p.rest[i:]
			e := Element{Text: string(text[:keep])}
			if !escaped && strings.EqualFold(e.Text, "null") {
				e = Element{Null: true}
			}
			p.elements = append(p.elements, e)
			return nil
		case c == '{' || c == '"':
			return ErrUncertain
		case c == '\\':
			i++
			if i == len(p.rest) {
				return ErrUncertain
			}
			text = append(text, p.rest[i])
			keep, escaped = len(text), true
		default:
			text = append(text, c)
			if strings.IndexByte(spaces, c) < 0 {
				keep = len(text)
			}
		}
	}
	return ErrUncertain
}

func (p *arrayParser) result() (Elements, error) {
	if len(p.elements) == 0 {
		if p.lengths[0] > 0 {
			return Elements{}, ErrUncertain // {{}}
		}
		return Elements{}, nil
	}
	return Elements{Elements: p.elements, Depth: p.leaf, Length: p.lengths[0]}, nil
}
