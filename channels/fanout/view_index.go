package fanout

import "walcast/replication/wal"

// viewIndex is the views of a delivery, by their table and by the tables that decide which
// rows they have. It is guarded by the lock of the delivery. The zero viewIndex is empty.
type viewIndex struct {
	byTable map[tableName][]*binding
	readers map[uint32][]*binding // by OID of a table that policies of the views read
	isStale bool                  // readers are to be made anew
}

// add adds a binding if it is a view.
func (x *viewIndex) add(b *binding) {
	if !b.Spec.View {
		return
	}
	if x.byTable == nil {
		x.byTable = map[tableName][]*binding{}
	}
	name := tableName{b.Spec.Schema, b.Spec.Table}
	b.asView.indexOnTable = len(x.byTable[name])
	x.byTable[name] = append(x.byTable[name], b)
	x.isStale = true
}

// remove takes a binding out if it is a view.
func (x *viewIndex) remove(b *binding) {
	if !b.Spec.View {
		return
	}
	name := tableName{b.Spec.Schema, b.Spec.Table}
	list := x.byTable[name]
	last := len(list) - 1
	at := b.asView.indexOnTable
	list[at] = list[last]
	list[at].asView.indexOnTable = at
	list[last] = nil
	if x.byTable[name] = list[:last]; last == 0 {
		delete(x.byTable, name)
	}
	x.isStale = true
}

// of returns the views of a table.
func (x *viewIndex) of(rel *wal.Relation) []*binding {
	if len(x.byTable) == 0 {
		return nil
	}
	return x.byTable[tableName{rel.Schema, rel.Table}]
}

// readersOf returns the views whose policies read a table.
func (x *viewIndex) readersOf(rel *wal.Relation) []*binding {
	if x.isStale {
		x.readers, x.isStale = nil, false
		for _, list := range x.byTable {
			for _, b := range list {
				x.addReader(b)
			}
		}
	}
	if len(x.readers) == 0 {
		return nil
	}
	return x.readers[rel.OID]
}

func (x *viewIndex) addReader(b *binding) {
	held := b.held()
	if held == nil {
		return
	}
	for _, oid := range held.reads.Relations {
		if x.readers == nil {
			x.readers = map[uint32][]*binding{}
		}
		x.readers[oid] = append(x.readers[oid], b)
	}
}
