package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// Catalog asks Postgres' system catalogs, as they are now. Nothing is cached: no
// message tells of a new enum label or a new attribute of a composite type,
// and one query for each relation is cheap. It is asked when a Relation message
// arrives and when a binding is checked, never per row. All methods may be
// called at once.
type Catalog struct {
	db           querier
	publications []string
}

// New returns a catalog of the publications that asks over db, a connection or
// a pool.
func New(db querier, publications []string) Catalog {
	return Catalog{db: db, publications: publications}
}

// querier is a connection, or a pool of them.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// keyQuery lists the primary key's columns in the key's order.
const keyQuery = `
	select a.attname::text
	from pg_index i
	cross join unnest(i.indkey::int2[]) with ordinality as k(attnum, ordinal)
	join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
	where i.indrelid = $1 and i.indisprimary
	order by k.ordinal`

// Describe returns the primary key columns of the relation and the given types
// by OID. Types that it cannot resolve are missing from the map.
func (c Catalog) Describe(ctx context.Context, relation uint32, types []uint32) (wal.Description, error) {
	key, err := c.texts(ctx, keyQuery, relation)
	if err != nil {
		return wal.Description{}, fmt.Errorf("look up primary key of relation %d: %w", relation, err)
	}
	found, err := readTypes(ctx, c.db, types)
	if err != nil {
		return wal.Description{}, fmt.Errorf("look up types of relation %d: %w", relation, err)
	}
	return wal.Description{Key: key, Types: found}, nil
}

// identifyingQuery lists the columns of the primary key or, without one, of the index
// that is the replica identity, in the order of the index.
const identifyingQuery = `
	select a.attname::text
	from (select i.* from pg_index i join pg_class c on c.oid = i.indrelid
		where i.indrelid = $1 and i.indisvalid and (i.indisprimary or i.indisreplident and c.relreplident = 'i')
		order by i.indisprimary desc limit 1) i
	cross join unnest(i.indkey::int2[]) with ordinality as k(attnum, ordinal)
	join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
	where k.ordinal <= i.indnkeyatts
	order by k.ordinal`

// Key returns the columns that tell the rows of a relation apart, none if nothing
// does.
func (c Catalog) Key(ctx context.Context, relation uint32) ([]string, error) {
	key, err := c.texts(ctx, identifyingQuery, relation)
	if err != nil {
		return nil, fmt.Errorf("look up what tells rows of relation %d apart: %w", relation, err)
	}
	return key, nil
}

// LostKey says why changes of a relation may not tell which row they are of, by the
// columns that Key returns.
type LostKey struct {
	Deferrable bool // two rows may have the same key until a transaction ends
	Other      bool // old rows, of the relation or of one of its partitions, come without a column of the key
}

// lostKeyQuery looks at the relation and, as rows are in these, its partitions. One whose
// UPDATE and DELETE Postgres refuses, for want of an identity, loses nothing.
const lostKeyQuery = `
	with recursive tree (oid) as (
		select $1::oid union all select i.inhrelid from pg_inherits i join tree t on i.inhparent = t.oid
			where (select relkind from pg_class where oid = $1) = 'p'
	), key (name) as (` + identifyingQuery + `)
	select coalesce((select bool_or(not k.indimmediate) from tree t join pg_index k on k.indrelid = t.oid and k.indisprimary), false),
		exists (select from tree t join pg_class l on l.oid = t.oid and l.relkind = 'r'
			where exists (select from pg_attribute a where a.attrelid = l.oid and a.attnum > 0 and not a.attisdropped and ` + inOld + `)
				and exists (select from key where not exists (select from pg_attribute a where a.attrelid = l.oid and a.attname = key.name and ` + inOld + `)))`

// LostKey looks whether changes of a relation tell which row they are of.
func (c Catalog) LostKey(ctx context.Context, relation uint32) (l LostKey, err error) {
	rows, err := c.db.Query(ctx, lostKeyQuery, relation)
	if err == nil {
		_, err = pgx.ForEachRow(rows, []any{&l.Deferrable, &l.Other}, func() error { return nil })
	}
	if err != nil {
		return LostKey{}, fmt.Errorf("look up the replica identity of relation %d: %w", relation, err)
	}
	return l, nil
}

// texts returns the rows of a query with one text column.
func (c Catalog) texts(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := c.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// fullID makes the id of 64 bits that snapshots have of one of 32 bits, as pgoutput
// has it: the two that are compared are less than 2^31 apart.
const fullID = `next + (($1::bigint - next + 2147483648) & 4294967295) - 2147483648`

const seesQuery = `
	select pg_visible_in_snapshot((` + fullID + `)::text::xid8, now)
	from (select now, pg_snapshot_xmax(now)::text::bigint as next from pg_current_snapshot() as now) as snapshot`

// Sees reports whether what a committed transaction did is seen by now. The WAL
// tells of a commit before Postgres' snapshots do. No transaction has the id 0.
func (c Catalog) Sees(ctx context.Context, xid uint32) (bool, error) {
	if xid == 0 {
		return true, nil
	}
	rows, err := c.db.Query(ctx, seesQuery, int64(xid))
	if err == nil {
		var sees bool
		if sees, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[bool]); err == nil {
			return sees, nil
		}
	}
	return false, fmt.Errorf("look whether transaction %d is seen: %w", xid, err)
}

// momentQuery takes the snapshot before it asks where the WAL ends: statements
// take theirs when they begin. A commit is in the WAL before a snapshot shows it,
// and may not be flushed by then. age counts from the id that is given out next.
const momentQuery = `
	select pg_current_snapshot()::text, age('3'::xid)::bigint + 3, pg_is_in_recovery(),
		(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text`

// Moment asks what the present moment is.
func (c Catalog) Moment(ctx context.Context) (Moment, error) {
	const asked = "ask Postgres for its snapshot and the end of its WAL"
	rows, err := c.db.Query(ctx, momentQuery)
	if err != nil {
		return Moment{}, fmt.Errorf("%s: %w", asked, err)
	}
	var snapshot, end string
	var next int64
	var isStandby bool
	_, err = pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
		return none, row.Scan(&snapshot, &next, &isStandby, &end)
	})
	if err != nil {
		return Moment{}, fmt.Errorf("%s: %w", asked, err)
	}
	m, err := newMoment(snapshot, uint32(next), isStandby)
	if err == nil {
		m.End, err = wal.ParseLSN(end)
	}
	if err != nil {
		return Moment{}, fmt.Errorf("%s: %w", asked, err)
	}
	return m, nil
}
