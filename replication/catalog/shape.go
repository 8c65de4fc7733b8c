package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Shape is what of a table decides which changes of its replica identity and of
// publications its application survives: Postgres refuses UPDATE and DELETE of a
// published table whose identity does not do.
type Shape struct {
	Unidentified bool     // it, or a partition of it, has no replica identity that can be used
	Listed       string   // a publication with a list of its columns: with a full identity UPDATE would fail; "" if there is none
	Generated    bool     // it has generated columns, and the server is 18 or newer: the same
	Partitions   []string // of it, quoted: each has an identity of its own
}

// withoutIdentity is of a table c whether it has no replica identity that can be
// used. relreplident alone does not tell: it stays as it was when the primary key
// or the index is dropped, and a deferrable key does not count.
const withoutIdentity = `case c.relreplident
		when 'f' then false
		when 'n' then true
		when 'd' then not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and i.indisvalid and i.indimmediate)
		else not exists (select from pg_index i where i.indrelid = c.oid and i.indisreplident and i.indisvalid and i.indimmediate)
	end`

// shapeQuery looks at any publication, read by us or not: each binds the
// application. prattrs exists from 15 on.
const shapeQuery = `
	with tree as (
		select $1::oid as oid union select relid from pg_partition_tree($1::oid)
	), kin as (
		select oid from tree union select relid from pg_partition_ancestors($1::oid)
	)
	select
		exists (select from pg_class c join tree on tree.oid = c.oid where c.relkind = 'r' and ` + withoutIdentity + `),
		coalesce((select min(p.pubname::text) from pg_publication_rel r join pg_publication p on p.oid = r.prpubid join kin on kin.oid = r.prrelid
			where (p.pubupdate or p.pubdelete) and to_jsonb(r) ->> 'prattrs' is not null), ''),
		current_setting('server_version_num')::int >= 180000
			and exists (select from pg_attribute a join tree on tree.oid = a.attrelid where a.attgenerated <> '' and not a.attisdropped),
		array(select format('%I.%I', n.nspname, c.relname) from tree join pg_class c on c.oid = tree.oid join pg_namespace n on n.oid = c.relnamespace
			where c.oid <> $1 order by 1)`

// Shape reads the shape of a table.
func (c Catalog) Shape(ctx context.Context, relation uint32) (Shape, error) {
	rows, err := c.db.Query(ctx, shapeQuery, relation)
	if err == nil {
		var s Shape
		if s, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Shape]); err == nil {
			return s, nil
		}
	}
	return Shape{}, fmt.Errorf("look at the shape of relation %d: %w", relation, err)
}
