package filters

import (
	"slices"

	"walcast/replication/wal"
)

// wildcard stands for any schema or table.
const wildcard = "*"

// Guard narrows a selector to the rows that a subject may see. Guards are
// compared with ==, so a subject's guard must be one value.
type Guard interface {
	// Where is the condition on rel's rows under which op is visible. It is nil
	// where op is always visible, and where Postgres decides that afterwards.
	Where(rel *wal.Relation, op wal.Operation) Expr
}

// Selector says which changes a binding wants.
type Selector struct {
	Events        EventSet
	Schema, Table string // "*" matches any
	Filter        Filter
	Guard         Guard // nil for none
}

// tableName is the schema and table of selectors; either may be the wildcard.
type tableName struct{ schema, table string }

// covers reports whether a selector's name is that of a table.
func (n tableName) covers(schema, table string) bool {
	return (n.schema == wildcard || n.schema == schema) && (n.table == wildcard || n.table == table)
}

// literal reports whether the name is that of one table.
func (n tableName) literal() bool { return n.schema != wildcard && n.table != wildcard }

// selectorKey is equal for equal selectors of a name.
type selectorKey struct {
	events EventSet
	filter string
	guard  Guard
}

func (s Selector) key() (tableName, selectorKey) {
	return tableName{s.Schema, s.Table}, selectorKey{s.Events, s.Filter.identity(), s.Guard}
}

// where is an expression and the operations that it is for.
type where struct {
	events EventSet
	expr   Expr
}

// rowEvents are the operations on single rows.
const rowEvents = EventSet(1<<wal.Insert | 1<<wal.Update | 1<<wal.Delete)

// wheres are the expressions under which a selector wants the operations on a
// relation. A TRUNCATE concerns all rows, so no filter is asked. A filter that
// does not work on the relation wants nothing of its rows.
func (s Selector) wheres(rel *wal.Relation, c certainty) []where {
	var wheres []where
	if rows := s.Events & rowEvents; rows != 0 {
		if filter, err := compile(rel, s.Filter, c); err == nil {
			wheres = s.guarded(rel, rows, filter)
		}
	}
	if s.Events.Has(wal.Truncate) {
		wheres = append(wheres, s.guarded(rel, Events(wal.Truncate), Constant(True))...)
	}
	return wheres
}

// guarded adds what the guard demands, and joins operations for which that is
// the same: they are filed once.
func (s Selector) guarded(rel *wal.Relation, events EventSet, filter Expr) []where {
	if s.Guard == nil {
		return []where{{events, filter}}
	}
	var wheres []where
	var keys []string
	for op := wal.Insert; op <= wal.Truncate; op++ {
		if !events.Has(op) {
			continue
		}
		e, key := filter, ""
		if visible := s.Guard.Where(rel, op); visible != nil {
			e, key = And(filter, visible), visible.Key()
		}
		if i := slices.Index(keys, key); i >= 0 {
			wheres[i].events |= Events(op)
			continue
		}
		wheres, keys = append(wheres, where{Events(op), e}), append(keys, key)
	}
	return wheres
}
