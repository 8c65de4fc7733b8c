package filters

import (
	"strconv"
	"strings"

	"walcast/filters/datum"
	"walcast/replication/wal"
)

// operand is the left side of a comparison: a column, or what a JSON path finds
// in one.
type operand struct {
	column int
	name   string      // as written; equal operands of a relation have equal names
	path   *datum.Path // nil for the column itself
	typ    *wal.Type
}

// newOperand finds a column by its name, or by the part before a JSON path.
func newOperand(rel *wal.Relation, name string) (*operand, error) {
	if i := rel.Column(name); i >= 0 {
		return &operand{column: i, name: name, typ: rel.Columns[i].Type}, nil
	}
	column, _, found := strings.Cut(name, "->")
	i := rel.Column(column)
	if !found || i < 0 {
		return nil, invalidColumn(name)
	}
	o := &operand{column: i, name: name}
	return o, o.follow(rel.Columns[i].Type, name[len(column):])
}

// maxPathSteps bounds the steps of a path, each of which reads the document once.
const maxPathSteps = 32

// follow reads the steps of a path, ->key, ->>key and ->0, into the operand. A step
// after ->> is refused, as the result of ->> is text.
func (o *operand) follow(document *wal.Type, path string) error {
	o.typ, o.path = document, &datum.Path{Binary: document.Underlying().OID == oidJSONB}
	for path != "" {
		arrow := "->"
		rest, asText := strings.CutPrefix(path, "->>")
		if asText {
			arrow = "->>"
		} else {
			rest = path[len("->"):]
		}
		end := strings.Index(rest, "->")
		if end < 0 {
			end = len(rest)
		}
		step := stepOf(rest[:end])
		if base := o.typ.Underlying(); base.OID != oidJSON && base.OID != oidJSONB {
			of := "unknown"
			if step.IsIndex {
				of = "integer"
			}
			return NewBindError("42883", "operator does not exist: "+typeName(o.typ)+" "+arrow+" "+of)
		}
		if len(o.path.Steps) == maxPathSteps {
			return raised("too many steps in a column of the filter. Maximum %d", maxPathSteps)
		}
		o.path.Steps = append(o.path.Steps, step)
		path = rest[end:]
		if o.path.AsText = asText; asText {
			o.typ = textType()
		}
	}
	return nil
}

// stepOf reads one step of a path: an index if s is a number, else a key.
func stepOf(s string) datum.Step {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && !strings.HasPrefix(s, "+") {
		return datum.Step{Index: int(n), IsIndex: true}
	}
	return datum.Step{Key: s}
}

// text returns the operand's value in a row.
func (o *operand) text(row wal.Row) (string, wal.ValueKind) {
	if o.column >= len(row) {
		return "", wal.Absent
	}
	v := row[o.column]
	if v.Kind != wal.Text || o.path == nil {
		return v.Text, v.Kind
	}
	text, found := o.path.Extract(v.Text)
	if !found {
		return "", wal.Null
	}
	return text, wal.Text
}

// Columns returns the indexes of the relation's columns that a filter reads,
// each once. Names that are no columns are left out.
func Columns(rel *wal.Relation, f Filter) []int {
	var columns []int
	seen := make([]bool, len(rel.Columns))
	var visit func(Filter)
	visit = func(f Filter) {
		for _, c := range f {
			visit(c.Group)
			if c.Op.grouping() {
				continue
			}
			i := rel.Column(c.Column)
			if i < 0 {
				before, _, _ := strings.Cut(c.Column, "->")
				i = rel.Column(before)
			}
			if i >= 0 && !seen[i] {
				seen[i] = true
				columns = append(columns, i)
			}
		}
	}
	visit(f)
	return columns
}
