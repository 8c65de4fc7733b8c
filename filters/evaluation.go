package filters

import (
	"walcast/filters/datum"
	"walcast/replication/wal"
)

// evaluation is the state of evaluating expressions for one row. It remembers
// the values that it has read, so that each column is read once however many
// expressions compare it.
type evaluation struct {
	row     wal.Row
	rows    uint64               // the number of the row
	columns []columnValue        // one for each column; may be empty
	paths   map[string]pathValue // by the name of the operand; nil without columns
	answers answers              // what Postgres has answered; may be nil
	wanted  *[]Call              // collects the calls without an answer; may be nil
	failure *BindError           // the last error that Postgres answered with
}

// pathValue is what a JSON path has found in a document of the row.
type pathValue struct {
	text string
	kind wal.ValueKind
}

// columnValue is a column's value as one type reads it.
type columnValue struct {
	row   uint64 // the number of the row that the value is of
	typ   datum.Type
	value datum.Value
	ok    bool
}

// reset prepares for another row, with room for the values of its columns.
func (ev *evaluation) reset(row wal.Row) {
	ev.row, ev.failure = row, nil
	ev.rows++
	for len(ev.columns) < len(row) {
		ev.columns = append(ev.columns, columnValue{})
	}
	if ev.paths == nil {
		ev.paths = map[string]pathValue{}
	}
	clear(ev.paths)
}

// text returns the value of an operand as Postgres printed it. Each path is
// followed once for a row, however many expressions use it.
func (ev *evaluation) text(o *operand) (string, wal.ValueKind) {
	if o.path == nil || ev.paths == nil {
		return o.text(ev.row)
	}
	f, known := ev.paths[o.name]
	if !known {
		f.text, f.kind = o.text(ev.row)
		ev.paths[o.name] = f
	}
	return f.text, f.kind
}

// value returns the text of an operand as a type reads it. Each column is read once
// for a row as long as expressions read it by the same type.
func (ev *evaluation) value(o *operand, t datum.Type, text string) (datum.Value, bool) {
	if o.path != nil || o.column >= len(ev.columns) {
		return t.Out(text)
	}
	c := &ev.columns[o.column]
	if c.row != ev.rows || c.typ != t {
		v, ok := t.Out(text)
		*c = columnValue{ev.rows, t, v, ok}
	}
	return c.value, c.ok
}

// ask returns the answer of Postgres to a comparison, or notes that it is to be asked for.
func (ev *evaluation) ask(c *comparison, text string) Truth {
	if ev.answers == nil && ev.wanted == nil {
		return Undecided
	}
	call := c.call(text)
	if answer, ok := ev.answers[call]; ok {
		if answer.Err != nil {
			ev.failure = answer.Err
			return Undecided
		}
		return answer.Truth
	}
	if ev.wanted != nil {
		*ev.wanted = append(*ev.wanted, call)
	}
	return Undecided
}
