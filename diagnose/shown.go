package diagnose

import (
	"slices"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// Shows returns, by index of the view's columns, which of them the binding gets: what the
// role may see, limited to the selected columns and the key.
func (b *Binding) Shows(view *policy.View) []bool {
	shown := make([]bool, len(view.Relation.Columns))
	identity := b.GoesByIdentity(view.Relation)
	for i, c := range view.Relation.Columns {
		shown[i] = view.Columns[i] && (b.Spec.Select == nil || c.Key || identity && c.Identity || slices.Contains(b.Spec.Select, c.Name))
	}
	return shown
}

// GoesByIdentity reports whether the client tells rows apart by the replica identity: it
// has a snapshot of a table without a primary key.
func (b *Binding) GoesByIdentity(rel *wal.Relation) bool {
	return b.Spec.WantsSnapshot() && rel.ReplicaIdentity == wal.IdentityIndex && !rel.HasKey()
}

// Withheld are the indexes of columns that the filter reads and that the role may not see:
// it could tell of their values, so that nothing is sent. Such a filter is refused at join;
// this is for grants that change later.
func (b *Binding) Withheld(view *policy.View) (columns []int) {
	for _, i := range filters.Columns(view.Relation, b.Filter) {
		if !view.Columns[i] {
			columns = append(columns, i)
		}
	}
	return columns
}
