package fanout

import (
	"strings"

	"walcast/policy"
	"walcast/replication/rowjson"
	"walcast/replication/wal"
)

// columnSet is which columns of a relation a payload has, and how they are
// written. Equal sets of one relation are one pointer, so a payload is encoded
// once for all bindings with the same set.
type columnSet struct {
	mask     []bool // columns that are shown
	key      []bool // columns of the old row that are shown where only its key may be
	columns  []byte // the payload's "columns"
	encoding rowjson.Encoding
	denied   bool // the role may not see the key: only the error 401 is shown
	blocked  bool // the filter reads columns that the role may not see: nothing is sent
}

// columnKey is what the sets of a relation differ by.
type columnKey struct {
	mask            string // '1' or '0' for each column
	encoding        rowjson.Encoding
	denied, blocked bool
	identity        bool // the replica identity tells rows apart, as there is no primary key
}

// see sets and returns which columns the binding gets under a view.
func (b *binding) see(view *policy.View, table *tableState) *columnSet {
	if b.view == view {
		return b.columns
	}
	b.view = view
	b.columns = table.columnSet(columnKey{
		mask: maskOf(b.Shows(view)), denied: view.Denied, blocked: len(b.Withheld(view)) > 0,
		encoding: rowjson.Encoding{Strings: b.Spec.Int8AsString}, identity: b.GoesByIdentity(view.Relation),
	})
	return b.columns
}

// maskOf is a set of columns as a key has it.
func maskOf(shown []bool) string {
	var mask strings.Builder
	for _, is := range shown {
		if is {
			mask.WriteByte('1')
		} else {
			mask.WriteByte('0')
		}
	}
	return mask.String()
}

func newColumnSet(rel *wal.Relation, k columnKey) *columnSet {
	set := &columnSet{encoding: k.encoding, denied: k.denied, blocked: k.blocked}
	for i, c := range rel.Columns {
		shown := k.mask[i] == '1'
		set.mask = append(set.mask, shown)
		set.key = append(set.key, shown && (c.Key || k.identity && c.Identity))
	}
	set.columns = set.encoding.AppendColumns(nil, rel, set.mask)
	return set
}
