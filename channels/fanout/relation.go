package fanout

import (
	"slices"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// relations are the tables that a delivery knows, by OID.
type relations map[uint32]*relation

// relation is what a delivery knows of a table: the views of all roles that have
// bindings, loaded before it matched the first change.
type relation struct {
	of      *wal.Relation
	views   map[string]*policy.View // by role; nil for one that Postgres does not know
	checked time.Time               // when the views were last asked for
	sets    map[columnKey]*columnSet
}

// viewsBelieved is how long a delivery goes without asking policy, which has a
// time limit of its own for what depends on roles.
const viewsBelieved = time.Second

// knows reports whether changes of rel can be matched now.
func (rs relations) knows(rel *wal.Relation, roles map[string]roleUse, now time.Time) bool {
	known := rs[rel.OID]
	if known == nil || known.of != rel || now.Sub(known.checked) >= viewsBelieved {
		return false
	}
	for role := range roles {
		if _, loaded := known.views[role]; !loaded {
			return false
		}
	}
	return true
}

// learn takes in the views of a relation, by role. It reports whether an index
// must forget what it compiled for it: row-level security has changed, or may
// have with a new state of the table.
func (rs relations) learn(rel *wal.Relation, views map[string]*policy.View, now time.Time) (stale bool) {
	known := rs[rel.OID]
	changed := known == nil || known.of != rel
	stale = changed && known != nil && known.isSecured()
	if changed {
		known = &relation{of: rel, views: map[string]*policy.View{}, sets: map[columnKey]*columnSet{}}
		rs[rel.OID] = known
	}
	for role, view := range views {
		before, loaded := known.views[role]
		if !loaded || before == nil || view == nil || !isSameView(before, view) {
			known.views[role] = view
			stale = stale || view != nil && view.RowSecurity || before != nil && before.RowSecurity
		}
	}
	known.checked = now
	return stale
}

// isSecured reports whether rows of the relation are checked for any role.
func (r *relation) isSecured() bool {
	for _, view := range r.views {
		if view != nil && view.RowSecurity {
			return true
		}
	}
	return false
}

// isSameView reports whether two views show the same, so that what was made for
// the one holds for the other.
func isSameView(a, b *policy.View) bool {
	return a.Epoch == b.Epoch && a.Denied == b.Denied && a.RowSecurity == b.RowSecurity && slices.Equal(a.Columns, b.Columns)
}

// columnSet returns the relation's one set of the key.
func (r *relation) columnSet(key columnKey) *columnSet {
	set := r.sets[key]
	if set == nil {
		set = newColumnSet(r.of, key)
		r.sets[key] = set
	}
	return set
}
