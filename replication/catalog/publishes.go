package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Publishes is which changes of a table the publications send, together.
type Publishes struct {
	Insert, Update, Delete, Truncate bool
	Publication                      string // one of those that have the table
	// Restricted says that it lists columns or filters rows of some table, Unidentified
	// how many tables of it have no replica identity that can be used: either may
	// refuse UPDATE and DELETE, once these are published.
	Restricted   bool
	Unidentified int
}

// publishesQuery reads through jsonb what exists from 15 on only.
const publishesQuery = `
	with published as (
		select c.oid, p.oid as publication, p.pubname::text as name, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate
		from pg_publication_tables t
		join pg_publication p on p.pubname = t.pubname
		join pg_namespace n on n.nspname = t.schemaname
		join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
		where t.pubname = any ($1) and ($2 = '*' or t.schemaname = $2) and ($3 = '*' or t.tablename = $3)
	), together as (
		select oid, bool_or(pubinsert) as i, bool_or(pubupdate) as u, bool_or(pubdelete) as d, bool_or(pubtruncate) as t, min(name) as name
		from published group by oid
	)
	select o.oid, o.i, o.u, o.d, o.t, o.name,
		exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
			where p.pubname = o.name and coalesce(to_jsonb(r) ->> 'prattrs', to_jsonb(r) ->> 'prqual') is not null),
		(select count(*) from pg_publication_tables t join pg_namespace n on n.nspname = t.schemaname
			join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename where t.pubname = o.name and ` + withoutIdentity + `)
	from together o
	where not (o.i and o.u and o.d and o.t)`

// Publishes returns, by OID, those of the published tables that match of which
// some changes are left out.
func (c Catalog) Publishes(ctx context.Context, schema, table string) (map[uint32]Publishes, error) {
	rows, err := c.db.Query(ctx, publishesQuery, c.publications, schema, table)
	var partly map[uint32]Publishes
	if err == nil {
		var oid uint32
		var p Publishes
		into := []any{&oid, &p.Insert, &p.Update, &p.Delete, &p.Truncate, &p.Publication, &p.Restricted, &p.Unidentified}
		_, err = pgx.ForEachRow(rows, into, func() error {
			if partly == nil {
				partly = map[uint32]Publishes{}
			}
			partly[oid] = p
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("look for what is published of %q.%q: %w", schema, table, err)
	}
	return partly, nil
}
