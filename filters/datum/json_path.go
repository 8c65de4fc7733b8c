package datum

// Step is one -> of a JSON path: a key, or an index into an array. A negative index
// counts from the end.
type Step struct {
	Key     string
	Index   int
	IsIndex bool
}

// Path leads into a json or jsonb value.
type Path struct {
	Steps  []Step
	AsText bool // the last step is ->>
	Binary bool // the value is jsonb
}

// Extract follows the path through a document that Postgres has printed. It is not
// found where SQL has NULL.
func (p Path) Extract(document string) (text string, found bool) {
	text = document
	for _, step := range p.Steps {
		if text, found = step.into(text, p.Binary); !found {
			return "", false
		}
	}
	if len(p.Steps) == 0 {
		r := newJSONReader(document, jsonOptions)
		defer r.close()
		if text, found = r.raw(); !found {
			return "", false
		}
	}
	switch {
	case !p.AsText:
		return text, true
	case text == "null":
		return "", false
	case text[0] == '"':
		return unquoteJSON(text)
	}
	return text, true
}

// into makes one step from a document to a value within it.
func (s Step) into(document string, binary bool) (value string, found bool) {
	r := newJSONReader(document, jsonOptions)
	defer r.close()
	kind := r.kind()
	switch {
	case kind == '{' && !s.IsIndex:
		return r.field(s.Key)
	case kind == '[' && s.IsIndex && s.Index >= 0:
		return r.item(s.Index)
	case kind == '[' && s.IsIndex:
		return r.lastItem(-s.Index)
	case kind != '{' && s.IsIndex && binary && (s.Index == 0 || s.Index == -1):
		// jsonb stores a scalar as an array of one element, which ->0 finds.
		return r.raw()
	}
	return "", false
}

// field reads the value of the last field with a name. json keeps repeated names,
// of which -> takes the last.
func (r *jsonReader) field(key string) (value string, found bool) {
	for r.bracket(); r.kind() == '"'; {
		quoted, ok := r.raw()
		if !ok {
			return "", false
		}
		text, ok := r.raw()
		if !ok {
			return "", false
		}
		if name, valid := unquoteJSON(quoted); valid && name == key {
			value, found = text, true
		}
	}
	return value, found
}

// item reads the item of an array at index n.
func (r *jsonReader) item(n int) (string, bool) {
	r.bracket()
	for ; n > 0 && r.kind() != ']'; n-- {
		if r.decoder.SkipValue() != nil {
			return "", false
		}
	}
	return r.raw()
}

// lastItem reads the nth item of an array, counted from the end from 1.
func (r *jsonReader) lastItem(n int) (string, bool) {
	var items []string
	for r.bracket(); r.kind() != ']'; {
		item, ok := r.raw()
		if !ok {
			return "", false
		}
		items = append(items, item)
	}
	if n > len(items) {
		return "", false
	}
	return items[len(items)-n], true
}
