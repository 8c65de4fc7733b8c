package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Catalog answers what pgoutput does not say of a relation. It is asked when a
// Relation message arrives and when a binding is checked, never per row.
type Catalog interface {
	// Describe returns the primary key columns of the relation and the given
	// types by OID. Types that it cannot resolve are missing from the map.
	Describe(ctx context.Context, relation uint32, types []uint32) (Description, error)
	// Published returns the tables of the publications that match; "*" matches
	// any schema or table. An empty result is no error.
	Published(ctx context.Context, schema, table string) ([]*Relation, error)
	// PublishedNames returns schema and name of all tables of the publications.
	PublishedNames(ctx context.Context) ([]TableName, error)
	// Absent says why Published finds no table of a name.
	Absent(ctx context.Context, schema, table string) (Absence, error)
	// HasColumn reports whether the table has the column, published or not.
	HasColumn(ctx context.Context, relation uint32, column string) (bool, error)
}

// Description is the answer of Catalog.Describe.
type Description struct {
	Key   []string
	Types map[uint32]*Type
}

// NewCatalog returns a catalog that asks over the pool, anew each time. It is
// safe for concurrent use and starts no goroutine.
func NewCatalog(pool *pgxpool.Pool, publications []string) Catalog {
	return catalog{db: pool, publications: publications}
}

// catalog asks Postgres' system catalogs, as they are now. Nothing is kept: no
// message tells of a new enum label or a new attribute of a composite type,
// and one question to a relation is cheap.
type catalog struct {
	db           querier
	publications []string
}

// keyQuery lists the primary key's columns in the key's order.
const keyQuery = `
	select a.attname::text
	from pg_index i
	cross join unnest(i.indkey::int2[]) with ordinality as k(attnum, place)
	join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
	where i.indrelid = $1 and i.indisprimary
	order by k.place`

// Describe implements Catalog.
func (c catalog) Describe(ctx context.Context, relation uint32, types []uint32) (Description, error) {
	key, err := queryStrings(ctx, c.db, keyQuery, relation)
	if err != nil {
		return Description{}, fmt.Errorf("look up primary key of relation %d: %w", relation, err)
	}
	found, err := c.types(ctx, types)
	if err != nil {
		return Description{}, fmt.Errorf("look up types of relation %d: %w", relation, err)
	}
	return Description{Key: key, Types: found}, nil
}
