package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Prints are fingerprints of what bindings depend on. Where one is the same as before,
// nothing has changed; where it differs, something may have.
type Prints struct {
	Common    int64            // the publications, roles, their membership, schemas
	Relations map[uint32]int64 // by OID: columns, keys, grants, policies, what it is a partition of, its partitions; those that there are none of are missing
}

// printsQuery finds rows by index, and scans small catalogs only. What depends on a
// publication is its tables and schemas. The fingerprint of a row is its identity
// (xmin and ctid), which every change of the row changes; in pg_class and pg_index, whose
// rows Postgres changes for reasons of its own, it is the contents.
const printsQuery = `
	select 0::oid, hashtextextended(concat_ws(' ',
		(select sum(hashtextextended(concat_ws(' ', p.oid, p.xmin, p.ctid), 0)) from pg_publication p where p.pubname = any ($1)),
		(select sum(hashtextextended(concat_ws(' ', d.classid, d.objid), 0)) from pg_publication p
			join pg_depend d on d.refclassid = 'pg_publication'::regclass and d.refobjid = p.oid where p.pubname = any ($1)),
		(select sum(hashtextextended(concat_ws(' ', r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolbypassrls), 0)) from pg_roles r),
		(select sum(hashtextextended(concat_ws(' ', m.roleid, m.member, m.xmin, m.ctid), 0)) from pg_auth_members m),
		(select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) from pg_namespace n where n.nspname !~ '^pg_(toast_)?temp_')), 0)
	union all
	select c.oid, hashtextextended(concat_ws(' ', c.relname, c.relnamespace, c.relkind, c.relpersistence, c.relispartition, c.relowner, c.relacl,
		c.relrowsecurity, c.relforcerowsecurity, c.relreplident, a.print, p.print, i.print, o.print, s.print), 0)
	from pg_class c
	cross join lateral (select sum(hashtextextended(concat_ws(' ', a.attnum, a.xmin, a.ctid), 0)) as print
		from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as a
	cross join lateral (select sum(hashtextextended(concat_ws(' ', p.oid, p.xmin, p.ctid), 0)) as print
		from pg_policy p where p.polrelid = c.oid) as p
	cross join lateral (` + keysPrint + ` where i.indrelid = c.oid and (i.indisprimary or i.indisreplident)) as i
	cross join lateral (select sum(hashtextextended(concat_ws(' ', o.oid, o.relnamespace), 0)) as print
		from pg_partition_ancestors(case when c.relispartition then c.oid end) as a join pg_class o on o.oid = a.relid) as o
	cross join lateral (select sum(hashtextextended(concat_ws(' ', s.oid, s.relreplident, i.print), 0)) as print
		from (select c.oid) as o cross join lateral (` + partsOf + `) as part join pg_class s on s.oid = part.oid
		cross join lateral (` + keysPrint + ` where i.indrelid = s.oid and (i.indisprimary or i.indisreplident)) as i where c.relkind = 'p') as s
	where c.oid = any ($2)`

// keysPrint is the fingerprint of the indexes by which rows are told apart.
const keysPrint = `select sum(hashtextextended(concat_ws(' ', i.indexrelid, i.indkey, i.indisprimary, i.indisreplident, i.indisvalid, i.indimmediate), 0)) as print
		from pg_index i`

// Prints takes the fingerprints of the publications and of relations.
func (c Catalog) Prints(ctx context.Context, relations []uint32) (Prints, error) {
	rows, err := c.db.Query(ctx, printsQuery, c.publications, relations)
	found := Prints{Relations: map[uint32]int64{}}
	if err == nil {
		var oid uint32
		var print int64
		_, err = pgx.ForEachRow(rows, []any{&oid, &print}, func() error {
			if oid == 0 {
				found.Common = print
			} else {
				found.Relations[oid] = print
			}
			return nil
		})
	}
	if err != nil {
		return Prints{}, fmt.Errorf("look for changes of published tables: %w", err)
	}
	return found, nil
}
