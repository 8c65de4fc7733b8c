package pgoutput

import (
	"testing"
)

func TestLineageTellsPartitionsFromTablesThatAreDescribedTogether(t *testing.T) {
	const root, partition, other = 1, 2, 3
	relation := func(oid uint32) message { return message{'R'}.u32(oid) }
	insert := func(oid uint32) message { return message{'I'}.u32(oid) }
	typ := message{'Y'}.u32(9).str("public").str("mood")
	for _, c := range []struct {
		name     string
		messages []message
		want     bool
	}{
		{"a row under the name of the root", []message{relation(root), relation(partition), insert(root)}, true},
		{"with types", []message{typ, relation(root), typ, relation(partition), insert(root)}, true},
		{"after a row of the root that came before", []message{relation(root), relation(other), insert(root), relation(root), relation(partition), insert(root)}, true},
		{"a row under its own name", []message{relation(root), relation(partition), insert(partition)}, false},
		{"a row of another table", []message{relation(root), relation(partition), insert(other)}, false},
		{"tables of one TRUNCATE", []message{relation(root), relation(partition), message{'T'}.u32(2).u8(0).u32(root).u32(partition), insert(root)}, false},
		{"three tables", []message{relation(root), relation(partition), relation(other), insert(root)}, false},
		{"a row between", []message{relation(root), insert(root), relation(partition), insert(root)}, false},
		{"one table described twice", []message{relation(root), relation(root), insert(root)}, false},
		{"another transaction", []message{relation(root), relation(partition), {'C'}, insert(root)}, false},
		{"cut off", []message{relation(root), relation(partition), {'I', 0, 0}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l Lineage
			var of, is uint32
			var ok bool
			for _, m := range c.messages {
				of, is, ok = l.Read(m)
			}
			if ok != c.want || ok && (of != root || is != partition) {
				t.Errorf("%d is a partition of %d: %t; want %t", is, of, ok, c.want)
			}
		})
	}
}
