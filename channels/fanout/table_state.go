package fanout

import (
	"slices"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// tableState is what a delivery knows of a table at one point of the WAL.
// Matches keep the state that they were found with when a newer one has come.
type tableState struct {
	relation *wal.Relation
	views    map[string]*policy.View // by role; nil for a role that may see nothing
	unread   map[string]bool         // roles whose view is being read, or read again
	faults   map[string]error        // by role: why its rights cannot be known
	retry    time.Time               // when roles with faults are looked up again
	awaited  bool                    // the delivery has waited for the views, for as long as it ever does
	sets     map[columnKey]*columnSet
}

func newTableState(rel *wal.Relation) *tableState {
	return &tableState{relation: rel, views: map[string]*policy.View{}, unread: map[string]bool{}, faults: map[string]error{}, sets: map[columnKey]*columnSet{}}
}

// faultBelieved is the time after which the rights of a role are read again
// that could not be known. Nothing is shown to the role meanwhile.
const faultBelieved = time.Second

// learn takes in the view of a role, or the fault that keeps the role from
// having one. It reports whether an index must forget what it compiled for the
// relation, as row-level security has changed for the role or was not known: while the
// view was being read the index may have been made of the rules from before.
func (t *tableState) learn(role string, view *policy.View, fault error) (stale bool) {
	before, loaded := t.views[role]
	wasUnread := t.unread[role]
	delete(t.unread, role)
	t.views[role] = view // also one that shows the same: it may judge other rows
	if loaded && before != nil && view != nil && isSameView(before, view) {
		return false
	}
	if delete(t.faults, role); fault != nil {
		t.faults[role], t.retry = fault, time.Now().Add(faultBelieved)
	}
	return wasUnread || isSecured(before) || isSecured(view)
}

// forget has a role's view read again.
func (t *tableState) forget(role string) {
	t.unread[role] = true
	delete(t.views, role)
	delete(t.faults, role)
	t.awaited = false
}

// isSecured reports whether the relation is under row-level security for any
// role.
func (t *tableState) isSecured() bool {
	for _, view := range t.views {
		if isSecured(view) {
			return true
		}
	}
	return false
}

func isSecured(view *policy.View) bool { return view != nil && view.RowSecurity }

// isSameView reports whether two views show the same, so that what was made by
// one of them is right by the other.
func isSameView(a, b *policy.View) bool {
	return a.Epoch == b.Epoch && a.Since == b.Since && a.Denied == b.Denied && a.RowSecurity == b.RowSecurity && slices.Equal(a.Columns, b.Columns)
}

// columnSet returns the relation's one set with the key.
func (t *tableState) columnSet(key columnKey) *columnSet {
	set := t.sets[key]
	if set == nil {
		set = newColumnSet(t.relation, key)
		t.sets[key] = set
	}
	return set
}
