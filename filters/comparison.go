package filters

import (
	"strconv"
	"strings"

	"walcast/filters/datum"
	"walcast/replication/wal"
)

// comparison is one operator between an operand and a literal. An operator that is
// the opposite of another is stored as that other, negated: neq as not eq, gt as
// not lte, isdistinct as not eq with another truth for NULL. An operator that only
// Postgres can decide is stored as it is.
type comparison struct {
	operand *operand
	op      Operator
	literal string
	negate  bool
	onNull  Truth // the truth for a NULL, before negation
	test    test
	why     Doubt // why Postgres may have to decide; "" if only an odd value needs it
}

// test decides a comparison for one value that is not NULL. It is Undecided where
// only Postgres can decide.
type test interface {
	holds(ev *evaluation, o *operand, text string) Truth
}

func (c *comparison) Eval(row wal.Row) Truth { return c.evaluate(&evaluation{row: row}) }

func (c *comparison) evaluate(ev *evaluation) Truth {
	text, kind := ev.text(c.operand)
	t := c.onNull
	switch kind {
	case wal.Absent:
		return Unknown
	case wal.Text:
		if t = c.test.holds(ev, c.operand, text); t == Undecided {
			t = ev.ask(c, text)
		}
	}
	if c.negate {
		return t.not()
	}
	return t
}

// Key returns column, operator and literal; the quotes keep them apart.
func (c *comparison) Key() string {
	var scratch [128]byte
	key := scratch[:0]
	if c.negate {
		key = append(key, "not "...)
	}
	if c.onNull == False {
		key = append(key, "strictly "...)
	}
	key = strconv.AppendQuote(key, c.operand.name)
	key = append(key, ' ')
	key = append(key, c.op...)
	key = append(key, ' ')
	return string(strconv.AppendQuote(key, c.literal))
}

func (c *comparison) negation() Expr {
	opposite := *c
	opposite.negate = !c.negate
	return &opposite
}

// nullTest is IS NULL, or negated NOT (… IS NULL).
type nullTest struct {
	operand *operand
	negate  bool
	rows    bool // a row of which all fields are NULL is NULL too
}

func (n *nullTest) Eval(row wal.Row) Truth { return n.evaluate(&evaluation{row: row}) }

func (n *nullTest) evaluate(ev *evaluation) Truth {
	text, kind := ev.text(n.operand)
	if kind == wal.Absent {
		return Unknown
	}
	return truth((kind == wal.Null || n.rows && isRowOfNulls(text)) != n.negate)
}

// isRowOfNulls reports whether the text of a composite has nothing but commas: a
// field of no text is written "".
func isRowOfNulls(text string) bool {
	inner, ok := strings.CutPrefix(text, "(")
	return ok && strings.Trim(inner, ",") == ")"
}

func (n *nullTest) Key() string {
	key := strconv.Quote(n.operand.name)
	if n.rows {
		key += " row"
	}
	if n.negate {
		key += " not"
	}
	return key + " null"
}

func (n *nullTest) negation() Expr { return &nullTest{n.operand, !n.negate, n.rows} }

// equality is a test that holds for the values of one key.
type equality struct {
	typ datum.Type
	key datum.Key
}

func (e equality) holds(ev *evaluation, o *operand, text string) Truth {
	v, ok := ev.value(o, e.typ, text)
	if !ok {
		return Undecided
	}
	return truth(v.Key == e.key)
}

// membership is a test that holds for the values of several keys. If NULL is in
// the list it is Unknown for all other values.
type membership struct {
	typ  datum.Type
	keys []datum.Key // each once
	null bool        // NULL is in the list
}

func (m membership) holds(ev *evaluation, o *operand, text string) Truth {
	v, ok := ev.value(o, m.typ, text)
	if !ok {
		return Undecided
	}
	for _, key := range m.keys {
		if v.Key == key {
			return True
		}
	}
	if m.null {
		return Unknown
	}
	return False
}

// order is a test that holds for the values below a bound.
type order struct {
	typ       datum.Type
	bound     datum.Value
	inclusive bool
}

func (r order) holds(ev *evaluation, o *operand, text string) Truth {
	v, ok := ev.value(o, r.typ, text)
	if !ok || v.Unordered {
		return Undecided
	}
	c := r.typ.Compare(v, r.bound)
	return truth(c < 0 || c == 0 && r.inclusive)
}

// asked is a test that Postgres decides for every value.
type asked struct{}

func (asked) holds(*evaluation, *operand, string) Truth { return Undecided }
