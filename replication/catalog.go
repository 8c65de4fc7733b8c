package replication

import "context"

// Catalog answers what pgoutput does not say of a relation. It is asked when a
// Relation message arrives and when a binding is checked, never per row.
type Catalog interface {
	// Describe returns the primary key columns of the relation and the given
	// types by OID. Types that it cannot resolve are missing from the map.
	Describe(ctx context.Context, relation uint32, types []uint32) (Description, error)
	// Published returns the tables of the publications that match; "*" matches
	// any schema or table. An empty result is no error.
	Published(ctx context.Context, schema, table string) ([]*Relation, error)
}

// Description is the answer of Catalog.Describe.
type Description struct {
	Key   []string
	Types map[uint32]*Type
}
