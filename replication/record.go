package replication

// columnJSON is what a column contributes to frames, made once per Relation.
type columnJSON struct {
	name   string // `"id":`
	object string // `{"name":"id","type":"int4"}`
	typ    *Type  // below all domains
	form   form
}

func newColumnJSON(c Column) columnJSON {
	name := appendString(nil, c.Name)
	object := append([]byte(`{"name":`), name...)
	object = append(object, `,"type":`...)
	object = appendString(object, c.Type.Name)
	object = append(object, '}')
	typ := c.Type.Underlying()
	return columnJSON{name: string(append(name, ':')), object: string(object), typ: typ, form: formOf(typ)}
}

// jsonOf is r.json, made for the occasion if nobody has.
func (r *Relation) jsonOf(column int) *columnJSON {
	if r.json != nil {
		return &r.json[column]
	}
	c := newColumnJSON(r.Columns[column])
	return &c
}

// AppendRecord appends a row of rel as a JSON object. Absent values are left
// out, and so are columns that are false in include; a nil include has all.
func AppendRecord(dst []byte, rel *Relation, row Row, include []bool) []byte {
	return Encoding{}.AppendRecord(dst, rel, row, include)
}

// AppendRecord is the function of that name in another encoding.
func (e Encoding) AppendRecord(dst []byte, rel *Relation, row Row, include []bool) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for i := range row {
		v := &row[i]
		if v.Kind == Absent || include != nil && !include[i] {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		c := rel.jsonOf(i)
		dst = append(dst, c.name...)
		if v.Kind == Null {
			dst = append(dst, "null"...)
			continue
		}
		dst = e.appendValue(dst, c.typ, c.form, v.Text)
	}
	return append(dst, '}')
}

// AppendColumns appends the columns of rel that are true in include, all if it
// is nil, as a JSON array of {"name":…,"type":…}; the type is pg_type.typname.
func AppendColumns(dst []byte, rel *Relation, include []bool) []byte {
	return Encoding{}.AppendColumns(dst, rel, include)
}

// AppendColumns is the function of that name in another encoding. What is
// written as a string is called text: clients make a number of an int8.
func (e Encoding) AppendColumns(dst []byte, rel *Relation, include []bool) []byte {
	dst = append(dst, '[')
	start := len(dst)
	for i := range rel.Columns {
		if include != nil && !include[i] {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		if c := rel.Columns[i]; e.Strings && c.Type.Kind == KindBase && formOf(c.Type) == formBig {
			c.Type = builtinTypeByName("text")
			dst = append(dst, newColumnJSON(c).object...)
			continue
		}
		dst = append(dst, rel.jsonOf(i).object...)
	}
	return append(dst, ']')
}
