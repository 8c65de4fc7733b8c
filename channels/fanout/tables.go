package fanout

import (
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// tables are the tables that a delivery knows, each in its newest state. They
// are guarded by the lock of the delivery.
type tables struct {
	fanout     *Fanout
	delivery   *delivery // is told of views that were read
	attached   *attached // whose roles have views, and whose index has what was compiled by them
	byOID      map[uint32]*tableState
	generation policy.Generation // the views are of this generation at least
}

// knows reports whether changes of rel can be matched now.
func (t *tables) knows(rel *wal.Relation, now time.Time) bool {
	table := t.byOID[rel.OID]
	return table != nil && table.relation == rel && table.awaited && (len(table.faults) == 0 || now.Before(table.retry))
}

// meet takes in what is known already of what the roles may see of a relation,
// and has the rest read.
func (t *tables) meet(rel *wal.Relation) (reading []<-chan struct{}) {
	table := t.byOID[rel.OID]
	if table == nil || table.relation != rel {
		if table != nil && table.isSecured() {
			t.attached.index.Invalidate(rel.OID)
		}
		table = newTableState(rel)
		t.byOID[rel.OID] = table
	}
	for role := range table.faults {
		t.forget(table, role)
	}
	table.awaited = true
	for role, use := range t.attached.roles {
		if _, loaded := table.views[role]; loaded {
			continue
		}
		if view, ok := t.fanout.policy.Known(rel, use.subject); ok {
			t.take(table, role, view, nil)
			continue
		}
		table.unread[role] = true
		reading = append(reading, t.load(table, use.subject))
	}
	return reading
}

// take takes in a view.
func (t *tables) take(table *tableState, role string, view *policy.View, fault error) {
	if table.learn(role, view, fault) && t.byOID[table.relation.OID] == table {
		t.attached.index.Invalidate(table.relation.OID)
	}
}

// refresh replaces the views that a look at the rules of access has found to be
// old.
func (t *tables) refresh() {
	now := t.fanout.policy.Generation()
	if now == t.generation {
		return
	}
	t.generation = now
	for _, table := range t.byOID {
		for role := range table.views {
			view, ok := (*policy.View)(nil), false
			if use := t.attached.roles[role]; use.bindings > 0 {
				view, ok = t.fanout.policy.Known(table.relation, use.subject)
			}
			if ok {
				t.take(table, role, view, nil)
			} else {
				t.forget(table, role)
			}
		}
	}
}

// forget has a view read again.
func (t *tables) forget(table *tableState, role string) {
	if isSecured(table.views[role]) {
		t.attached.index.Invalidate(table.relation.OID)
	}
	if table.forget(role); t.attached.roles[role].bindings == 0 {
		delete(table.unread, role) // nobody reads it
	}
}

// load has a view read and the delivery told of it. The channel that it returns
// is closed then.
func (t *tables) load(table *tableState, s *policy.Subject) <-chan struct{} {
	return t.fanout.views.load(t.delivery, table, s)
}
