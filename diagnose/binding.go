package diagnose

import (
	"errors"

	"walcast/filters"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// Binding is one postgres_changes entry of a join, parsed. It is immutable, and
// matching and checks share it.
type Binding struct {
	Spec   *protocol.Binding
	Filter filters.Filter
	Events filters.EventSet
}

// Parse reads the bindings of a join. If one cannot be read it returns none of them,
// as upstream does, and the problem says why.
func Parse(specs []protocol.Binding) (bindings []Binding, refused *protocol.Problem) {
	bindings = make([]Binding, len(specs)) // one allocation: a join may have thousands
	snapshots := 0
	for i := range specs {
		spec := &specs[i]
		filter, err := filters.Parse(spec.Filter)
		if spec.Err != "" || err != nil {
			return nil, invalid(spec, err)
		}
		if _, refused := parseSnapshot(spec); refused != nil {
			return nil, refused
		}
		if spec.WantsSnapshot() {
			snapshots++
		}
		if snapshots > snapshotsMost {
			return nil, tooManySnapshots()
		}
		bindings[i] = Binding{Spec: spec, Filter: filter, Events: eventsOf(spec.Event)}
		if refused := unnameable(&bindings[i]); refused != nil {
			return nil, refused
		}
	}
	return bindings, nil
}

// TableName is the table that a binding names; "*" stands for any.
func (b *Binding) TableName() catalog.TableName {
	return catalog.TableName{Schema: b.Spec.Schema, Table: b.Spec.Table}
}

// isWild reports whether a binding names no single table. It may select no columns
// then.
func (b *Binding) isWild() bool { return b.Spec.Schema == "*" || b.Spec.Table == "*" }

// invalid returns why a binding or its filter cannot be read.
func invalid(b *protocol.Binding, filter error) *protocol.Problem {
	if b.Err != "" {
		return &protocol.Problem{Message: b.Err, Code: protocol.CodeInvalidBinding}
	}
	code := protocol.CodeInvalidFilter
	if errors.Is(filter, filters.ErrUnknownOperator) {
		code = protocol.CodeUnknownOperator
	}
	return &protocol.Problem{Message: filter.Error(), Code: code}
}

// eventsOf reads a binding's event. "*" is INSERT, UPDATE and DELETE, as the
// reference server has it; TRUNCATE has to be asked for by name.
func eventsOf(event string) filters.EventSet {
	switch event {
	case "INSERT":
		return filters.Events(wal.Insert)
	case "UPDATE":
		return filters.Events(wal.Update)
	case "DELETE":
		return filters.Events(wal.Delete)
	case "TRUNCATE":
		return filters.Events(wal.Truncate)
	}
	return filters.Events(wal.Insert, wal.Update, wal.Delete)
}
