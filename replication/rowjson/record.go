package rowjson

import (
	"walcast/replication/wal"
)

// columnJSON is what a column contributes to the JSON of rows, made once per
// Relation.
type columnJSON struct {
	name   string    // `"id":`
	object string    // `{"name":"id","type":"int4"}`
	typ    *wal.Type // below all domains
	form   form
}

func newColumnJSON(c wal.Column) columnJSON {
	name := appendString(nil, c.Name)
	object := append([]byte(`{"name":`), name...)
	object = append(object, `,"type":`...)
	object = appendString(object, c.Type.Name)
	object = append(object, '}')
	typ := c.Type.Underlying()
	return columnJSON{name: string(append(name, ':')), object: string(object), typ: typ, form: formOf(typ)}
}

// columnsJSON has an entry for each column of rel, in that order.
func columnsOf(rel *wal.Relation) []columnJSON {
	return *rel.Derived(newColumns).(*[]columnJSON)
}

func newColumns(rel *wal.Relation) any {
	columns := make([]columnJSON, len(rel.Columns))
	for i, c := range rel.Columns {
		columns[i] = newColumnJSON(c)
	}
	return &columns
}

// AppendRecord appends a row of rel as a JSON object. Absent values are left
// out, and so are columns that are false in include; a nil include has all.
func (e Encoding) AppendRecord(dst []byte, rel *wal.Relation, row wal.Row, include []bool) []byte {
	dst = append(dst, '{')
	start, columns := len(dst), columnsOf(rel)
	for i := range row {
		v := &row[i]
		if v.Kind == wal.Absent || include != nil && !include[i] {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		c := &columns[i]
		dst = append(dst, c.name...)
		if v.Kind == wal.Null {
			dst = append(dst, "null"...)
			continue
		}
		dst = e.appendValue(dst, c.typ, c.form, v.Text)
	}
	return append(dst, '}')
}

// AppendColumns appends the columns of rel that are true in include, all if it
// is nil, as a JSON array of {"name":…,"type":…}; the type is pg_type.typname.
// What is written as a string is called text: clients make a number of an int8.
func (e Encoding) AppendColumns(dst []byte, rel *wal.Relation, include []bool) []byte {
	dst = append(dst, '[')
	start, columns := len(dst), columnsOf(rel)
	for i := range rel.Columns {
		if include != nil && !include[i] {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if c := rel.Columns[i]; e.Strings && c.Type.Kind == wal.KindBase && formOf(c.Type) == formBig {
			c.Type = wal.BuiltinTypeByName("text")
			dst = append(dst, newColumnJSON(c).object...)
			continue
		}
		dst = append(dst, columns[i].object...)
	}
	return append(dst, ']')
}
