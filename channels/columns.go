package channels

import (
	"slices"
	"strings"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/rowjson"
	"walcast/replication/wal"
)

// columnSet is which columns of a relation a payload has, and how they are
// written. Equal sets of one relation are one pointer, so payloads are encoded
// once for all who see the same.
type columnSet struct {
	mask     []bool // shown of the row
	key      []bool // shown of the old row where only its key may be shown
	columns  []byte // the payload's "columns"
	encoding rowjson.Encoding
	denied   bool // 401: the role may not see the key
	blocked  bool // the filter asks for columns that the role may not see
}

// columnKey tells the sets of a relation apart.
type columnKey struct {
	mask            string // '1' or '0' for each column
	encoding        rowjson.Encoding
	denied, blocked bool
}

// see settles which columns the binding gets under a view. Called with d.mu
// held.
func (b *binding) see(view *policy.View, d *delivery) {
	if b.view == view {
		return
	}
	b.view = view
	rel := view.Relation
	key := columnKey{mask: b.mask(view), denied: view.Denied, blocked: b.filterBlocked(view)}
	key.encoding = encodingOf(b.spec)
	known := d.relations[rel.OID]
	set := known.sets[key]
	if set == nil {
		set = newColumnSet(rel, key)
		known.sets[key] = set
	}
	b.columns = set
}

// mask is what the role may see, limited to the selected columns and the key.
func (b *binding) mask(view *policy.View) string {
	var mask strings.Builder
	for i, c := range view.Relation.Columns {
		shown := view.Columns[i] && (b.spec.Select == nil || c.Key || slices.Contains(b.spec.Select, c.Name))
		if shown {
			mask.WriteByte('1')
		} else {
			mask.WriteByte('0')
		}
	}
	return mask.String()
}

// filterBlocked reports whether the filter could tell of columns that the role
// may not see. It is refused at join; this holds when grants change later.
func (b *binding) filterBlocked(view *policy.View) bool {
	for _, i := range filters.Columns(view.Relation, b.filter) {
		if !view.Columns[i] {
			return true
		}
	}
	return false
}

func encodingOf(spec *protocol.Binding) rowjson.Encoding {
	return rowjson.Encoding{Strings: spec.Int8AsString}
}

func newColumnSet(rel *wal.Relation, k columnKey) *columnSet {
	set := &columnSet{encoding: k.encoding, denied: k.denied, blocked: k.blocked}
	for i, c := range rel.Columns {
		shown := k.mask[i] == '1'
		set.mask = append(set.mask, shown)
		set.key = append(set.key, shown && c.Key)
	}
	set.columns = set.encoding.AppendColumns(nil, rel, set.mask)
	return set
}
