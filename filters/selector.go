package filters

import (
	"slices"

	"walcast/replication/wal"
)

// wildcard stands for any schema or table.
const wildcard = "*"

// Guard narrows a selector to the rows that a subject may see. Guards are
// compared with ==, so a subject must always come with the same Guard value.
type Guard interface {
	// Where returns the condition on rel's rows under which op is visible. It is
	// nil if op is always visible, or if Postgres decides after the match.
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

// covers reports whether the name fits a table.
func (n tableName) covers(schema, table string) bool {
	return (n.schema == wildcard || n.schema == schema) && (n.table == wildcard || n.table == table)
}

// exact reports whether the name has no wildcard.
func (n tableName) exact() bool { return n.schema != wildcard && n.table != wildcard }

// selectorKey tells selectors with one tableName apart.
type selectorKey struct {
	events EventSet
	filter string
	guard  Guard
}

func (s Selector) key() (tableName, selectorKey) {
	return tableName{s.Schema, s.Table}, selectorKey{s.Events, s.Filter.identity(), s.Guard}
}

// where is an expression and the operations whose rows it applies to.
type where struct {
	events EventSet
	expr   Expr
}

// rowEvents are the operations on single rows.
const rowEvents = EventSet(1<<wal.Insert | 1<<wal.Update | 1<<wal.Delete)

// wheres returns the expressions under which operations on a relation match the
// selector. A TRUNCATE concerns all rows, so it matches whatever the filter is. A
// filter that does not work on the relation matches none of its rows.
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

// guarded adds the guard's conditions to a filter. Operations with the same
// condition share one where, so that the selector is filed once for them.
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
