package filters

import (
	"errors"
	"strings"

	"walcast/replication/wal"
)

// Order is by what rows are sorted, as PostgREST writes it:
// "created_at.desc,id.asc".
type Order []OrderTerm

// OrderTerm is one column of an Order, which may end in a JSON path.
type OrderTerm struct {
	Column     string
	Descending bool
	Nulls      string // "first", "last"; "" is Postgres' default
}

// ErrOrder means that an order cannot be read.
var ErrOrder = errors.New(`an order is written as column.asc or column.desc, then maybe .nullsfirst or .nullslast, with commas between, such as "created_at.desc,id.asc"`)

// Bounds of what a client may write.
const (
	maxOrderBytes = 8 << 10
	maxOrderTerms = 100
)

// ParseOrder reads an order; "" is none. Its error is ErrOrder.
func ParseOrder(s string) (order Order, err error) {
	if len(s) > maxOrderBytes || strings.IndexByte(s, 0) >= 0 {
		return nil, ErrOrder
	}
	for rest, more := s, s != ""; more; {
		var term OrderTerm
		var ok bool
		term, rest, more, ok = parseOrderTerm(rest)
		if !ok || len(order) == maxOrderTerms {
			return nil, ErrOrder
		}
		order = append(order, term)
	}
	return order, nil
}

// parseOrderTerm reads one column with its words, up to a comma, behind which there
// is more.
func parseOrderTerm(s string) (term OrderTerm, rest string, more, ok bool) {
	s = strings.TrimLeft(s, " ")
	if s != "" && s[0] == '"' {
		end := closingQuote(s)
		if end < 0 {
			return term, "", false, false
		}
		term.Column, rest = unescape(s[1:end]), s[end+1:]
	} else {
		end := strings.IndexAny(s, ".,")
		if end < 0 {
			end = len(s)
		}
		term.Column, rest = strings.TrimRight(s[:end], " "), s[end:]
		if strings.ContainsAny(term.Column, `"()`) {
			return term, "", false, false
		}
	}
	words, rest, more := strings.Cut(rest, ",")
	return term, rest, more, term.Column != "" && term.read(strings.TrimRight(words, " "))
}

// read reads what follows the column. It is false for anything unknown.
func (t *OrderTerm) read(words string) bool {
	if words == "" {
		return true
	}
	rest, ok := strings.CutPrefix(words, ".")
	if !ok {
		return false
	}
	direction, nulls, both := strings.Cut(rest, ".")
	switch direction {
	case "asc":
	case "desc":
		t.Descending = true
	case "nullsfirst", "nullslast":
		if both {
			return false
		}
		nulls, both = direction, true
	default:
		return false
	}
	if both {
		t.Nulls, ok = strings.CutPrefix(nulls, "nulls")
		return ok && (t.Nulls == "first" || t.Nulls == "last")
	}
	return true
}

// SQL is the order as what follows ORDER BY in a query of a relation's table, whose
// alias is "t". An error is a *BindError.
func (o Order) SQL(rel *wal.Relation) (string, error) {
	terms := make([]string, len(o))
	for i, t := range o {
		operand, err := newOperand(rel, t.Column)
		if err != nil {
			return "", err
		}
		terms[i] = operand.sql(false)
		if t.Descending {
			terms[i] += " desc"
		}
		if t.Nulls != "" {
			terms[i] += " nulls " + t.Nulls
		}
	}
	return strings.Join(terms, ", "), nil
}

// SortedTerm is what a term of an order sorts.
type SortedTerm struct {
	Column   string // "" for what a JSON path finds
	Type     *wal.Type
	Collates bool // by a collation, which for what a JSON path finds is that of the database
}

// Terms are what the terms of the order sort in a relation. An error is a *BindError.
func (o Order) Terms(rel *wal.Relation) ([]SortedTerm, error) {
	terms := make([]SortedTerm, len(o))
	for i, t := range o {
		operand, err := newOperand(rel, t.Column)
		if err != nil {
			return nil, err
		}
		terms[i] = SortedTerm{Type: operand.typ, Collates: isCollatable(operand.typ) || operand.typ.Underlying().OID == oidJSONB}
		if operand.path == nil {
			terms[i].Column = operand.name
		}
	}
	return terms, nil
}

// Filter is a filter that reads the columns that the order reads.
func (o Order) Filter() (f Filter) {
	for _, t := range o {
		f = append(f, Condition{Column: t.Column, Op: Is, Value: "null"})
	}
	return f
}
