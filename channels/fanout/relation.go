package fanout

import (
	"slices"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// relations are the tables that a delivery knows, by OID.
type relations map[uint32]*relation

// relation is what a delivery knows of a table at one point of the WAL. Changes
// that wait keep theirs when another state of the table has come.
type relation struct {
	of      *wal.Relation
	views   map[string]*policy.View // by role; nil for one that is shown nothing
	faults  map[string]error        // why, where that is to be told
	retry   time.Time               // when roles with faults are looked up again
	awaited bool                    // the delivery has waited for the views of its roles, for as long as it does
	sets    map[columnKey]*columnSet
}

func newRelation(rel *wal.Relation) *relation {
	return &relation{of: rel, views: map[string]*policy.View{}, faults: map[string]error{}, sets: map[columnKey]*columnSet{}}
}

// faultBelieved is how long nothing is shown to a role whose rights cannot be
// read before they are read again.
const faultBelieved = time.Second

// knows reports whether changes of rel can be matched now.
func (rs relations) knows(rel *wal.Relation, now time.Time) bool {
	known := rs[rel.OID]
	return known != nil && known.of == rel && known.awaited && (len(known.faults) == 0 || now.Before(known.retry))
}

// learn takes in the view of a role, or the fault that keeps it from having one.
// It reports whether an index must forget what it compiled for the relation, as
// row-level security has changed for the role or was not known.
func (r *relation) learn(role string, view *policy.View, fault error) (stale bool) {
	before, loaded := r.views[role]
	if loaded && before != nil && view != nil && isSameView(before, view) {
		return false
	}
	r.views[role] = view
	if delete(r.faults, role); fault != nil {
		r.faults[role], r.retry = fault, time.Now().Add(faultBelieved)
	}
	return isSecured(before) || isSecured(view)
}

// forget has a role's view read again.
func (r *relation) forget(role string) {
	delete(r.views, role)
	delete(r.faults, role)
	r.awaited = false
}

// isSecured reports whether rows of the relation are checked for any role.
func (r *relation) isSecured() bool {
	for _, view := range r.views {
		if isSecured(view) {
			return true
		}
	}
	return false
}

func isSecured(view *policy.View) bool { return view != nil && view.RowSecurity }

// isSameView reports whether two views show the same, so that what was made for
// the one holds for the other.
func isSameView(a, b *policy.View) bool {
	return a.Epoch == b.Epoch && a.Since == b.Since && a.Denied == b.Denied && a.RowSecurity == b.RowSecurity && slices.Equal(a.Columns, b.Columns)
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
