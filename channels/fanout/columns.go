package fanout

import (
	"slices"
	"strings"

	"walcast/filters"
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
		mask: b.mask(view), denied: view.Denied, blocked: b.filterBlocked(view),
		encoding: rowjson.Encoding{Strings: b.Spec.Int8AsString}, identity: b.goesByIdentity(view.Relation),
	})
	return b.columns
}

// mask is what the role may see, limited to the selected columns and the key.
func (b *binding) mask(view *policy.View) string {
	var mask strings.Builder
	identity := b.goesByIdentity(view.Relation)
	for i, c := range view.Relation.Columns {
		shown := view.Columns[i] && (b.Spec.Select == nil || c.Key || identity && c.Identity || slices.Contains(b.Spec.Select, c.Name))
		if shown {
			mask.WriteByte('1')
		} else {
			mask.WriteByte('0')
		}
	}
	return mask.String()
}

// goesByIdentity reports whether the client tells rows apart by the replica identity:
// it has a snapshot of a table without a primary key.
func (b *binding) goesByIdentity(rel *wal.Relation) bool {
	return b.Spec.WantsSnapshot() && rel.ReplicaIdentity == wal.IdentityIndex && !rel.HasKey()
}

// filterBlocked reports whether the filter reads columns that the role may not
// see, and so could tell of their values. Such a filter is refused at join;
// this is for grants that change later.
func (b *binding) filterBlocked(view *policy.View) bool {
	for _, i := range filters.Columns(view.Relation, b.Filter) {
		if !view.Columns[i] {
			return true
		}
	}
	return false
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
