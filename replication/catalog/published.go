package catalog

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// publishedQuery lists the columns that pgoutput sends of published tables.
// pg_publication_tables already knows leaf or root of partitioned tables. Its
// attnames exist from 15 on, so they are read through jsonb, which has null for
// what is missing; up to 17 they include generated columns, which are not sent. A
// table of several publications is sent with the columns of all.
const publishedQuery = `
	with published as (
		select c.oid, t.schemaname, t.tablename, c.relkind, c.relreplident, to_jsonb(t) -> 'attnames' as columns
		from pg_publication_tables t
		join pg_namespace n on n.nspname = t.schemaname
		join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
		where t.pubname = any ($1) and ($2 = '*' or t.schemaname = $2) and ($3 = '*' or t.tablename = $3)
	)
	select p.oid, p.schemaname::text, p.tablename::text, p.relreplident::text,
		a.attname::text, a.atttypid, a.atttypmod,
		case p.relreplident
			when 'f' then true
			when 'd' then coalesce(k.indimmediate and a.attnum = any (k.indkey::int2[]), false)
			when 'i' then coalesce(a.attnum = any (i.indkey::int2[]), false)
			else false
		end,
		coalesce(a.attnum = any (k.indkey::int2[]), false),
		(p.old ->> a.attname)::int
	from (select o.oid, o.schemaname, o.tablename, o.relreplident, jsonb_agg(o.columns) as lists, ` + oldOfParts + ` as old
		from published o group by o.oid, o.schemaname, o.tablename, o.relreplident, o.relkind) p
	join pg_attribute a on a.attrelid = p.oid and a.attnum > 0 and not a.attisdropped
	left join pg_index k on k.indrelid = p.oid and k.indisprimary
	left join pg_index i on i.indrelid = p.oid and i.indisreplident
	where (a.attgenerated = '' or current_setting('server_version_num')::int >= 180000)
		and exists (
			select from jsonb_array_elements(p.lists) list
			where jsonb_typeof(list) <> 'array' and a.attgenerated = '' or list ? a.attname::text)
	order by 2, 3, 1, a.attnum`

// oldOfParts has, by name, which columns of a table o are in old rows, where its rows are those
// of partitions: each has a replica identity of its own. The numbers are those of wal.Sent.
const oldOfParts = `case o.relkind when 'p' then (
		select jsonb_object_agg(name, case when always then 2 when sometimes then 1 else 0 end) from (
			select a.attname as name, bool_and(has.it) as always, bool_or(has.it) as sometimes
			from (` + partsOf + `) as part join pg_class l on l.oid = part.oid and l.relkind = 'r'
			join pg_attribute a on a.attrelid = l.oid and a.attnum > 0 and not a.attisdropped
			cross join lateral (select ` + inOld + ` as it) as has group by a.attname) as columns) end`

// inOld is of a table l and an attribute a of it whether old rows have it.
const inOld = `(l.relreplident = 'f' or exists (select from pg_index i where i.indrelid = l.oid and i.indisvalid and i.indimmediate and a.attnum = any (i.indkey::int2[])
	and case l.relreplident when 'd' then i.indisprimary when 'i' then i.indisreplident else false end))`

// publishedColumn is one row of publishedQuery.
type publishedColumn struct {
	relation      uint32
	schema, table string
	identity      string
	column        wal.Column
	typ           uint32
	old           *wal.Sent // see wal.Relation.Old
}

// Published returns the tables of the publications that match; "*" matches any
// schema or table. An empty result is no error.
func (c Catalog) Published(ctx context.Context, schema, table string) ([]*wal.Relation, error) {
	columns, err := c.publishedColumns(ctx, schema, table)
	if err != nil {
		return nil, fmt.Errorf("look for published tables %q.%q: %w", schema, table, err)
	}
	oids := make([]uint32, len(columns))
	for i, column := range columns {
		oids[i] = column.typ
	}
	types, err := readTypes(ctx, c.db, oids)
	if err != nil {
		return nil, fmt.Errorf("look up column types of %q.%q: %w", schema, table, err)
	}
	var relations []*wal.Relation
	for _, p := range columns {
		if len(relations) == 0 || relations[len(relations)-1].OID != p.relation {
			relations = append(relations, &wal.Relation{
				OID: p.relation, Schema: p.schema, Table: p.table, ReplicaIdentity: wal.ReplicaIdentity(p.identity[0]),
			})
		}
		p.column.Type = types[p.typ]
		if p.column.Type == nil {
			p.column.Type = wal.UnknownType(p.typ)
		}
		last := relations[len(relations)-1]
		last.Columns = append(last.Columns, p.column)
		if p.old != nil {
			last.Old = append(last.Old, *p.old)
		}
	}
	return relations, nil
}

func (c Catalog) publishedColumns(ctx context.Context, schema, table string) ([]publishedColumn, error) {
	rows, err := c.db.Query(ctx, publishedQuery, c.publications, schema, table)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p publishedColumn, err error) {
		err = row.Scan(&p.relation, &p.schema, &p.table, &p.identity,
			&p.column.Name, &p.typ, &p.column.Modifier, &p.column.Identity, &p.column.Key, &p.old)
		return p, err
	})
}

// Publishes is which changes of a table the publications send, together.
type Publishes struct {
	Insert, Update, Delete, Truncate bool
	Publication                      string // one of those that have the table
	// Restricted says that it lists columns or filters rows of some table, Unidentified
	// how many tables and partitions of it have no replica identity that can be used: either
	// may refuse UPDATE and DELETE, once these are published.
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
	), partly as (
		select oid, bool_or(pubinsert) as i, bool_or(pubupdate) as u, bool_or(pubdelete) as d, bool_or(pubtruncate) as t, min(name) as name
		from published group by oid having not (bool_or(pubinsert) and bool_or(pubupdate) and bool_or(pubdelete) and bool_or(pubtruncate))
	), publications as materialized (
		select its.name,
			exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
				where p.pubname = its.name and coalesce(to_jsonb(r) ->> 'prattrs', to_jsonb(r) ->> 'prqual') is not null) as restricted,
			(select count(distinct c.oid) from pg_publication_tables t join pg_namespace n on n.nspname = t.schemaname
				join pg_class o on o.relnamespace = n.oid and o.relname = t.tablename cross join lateral (` + partsOf + `) as part
				join pg_class c on c.oid = part.oid and c.relkind = 'r' where t.pubname = its.name and ` + withoutIdentity + `) as unidentified
		from (select distinct name from partly) as its
	)
	select partly.oid, i, u, d, t, name, restricted, unidentified from partly join publications using (name)`

// formsQuery reads through jsonb what exists from 15 on only.
const formsQuery = `
	with recursive tree (root, oid, is_leaving) as (
		select i.inhparent, i.inhrelid, i.inhdetachpending from pg_inherits i join pg_class c on c.oid = i.inhparent where c.relkind = 'p'
		union select t.root, i.inhrelid, i.inhdetachpending from tree t join pg_inherits i on i.inhparent = t.oid
	), partitioned (oid, text) as (
		select root, md5(string_agg(concat_ws(' ', oid, is_leaving), ',' order by oid)) from tree group by root
	), filtered (oid, text) as (
		select r.prrelid, md5(string_agg(concat_ws(' ', p.pubname, to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs'), ',' order by p.pubname))
		from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
		where p.pubname = any ($1) and coalesce(to_jsonb(r) ->> 'prqual', to_jsonb(r) ->> 'prattrs') is not null group by r.prrelid
	)
	select oid, concat_ws(' ', p.text, f.text) from partitioned p full join filtered f using (oid)`

// Forms returns, by OID, a fingerprint of what decides which rows of a table are published,
// beside the rows: the row filters and lists of columns of those tables of the publications that have
// some, and the partitions of those that are partitioned.
func (c Catalog) Forms(ctx context.Context) (map[uint32]string, error) {
	forms := map[uint32]string{}
	rows, err := c.db.Query(ctx, formsQuery, c.publications)
	if err == nil {
		var oid uint32
		var form string
		_, err = pgx.ForEachRow(rows, []any{&oid, &form}, func() error {
			forms[oid] = form
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("look for row filters of publications: %w", err)
	}
	return forms, nil
}

// wholeQuery reads through jsonb what exists from 15 on only.
const wholeQuery = `
	select c.oid, format('%I.%I', n.nspname, c.relname), coalesce(bool_or(p.pubinsert), false) and coalesce(bool_or(p.pubupdate), false) and coalesce(bool_or(p.pubdelete), false)
		and coalesce(bool_or(p.pubtruncate), false) and coalesce(bool_and(to_jsonb(t) ->> 'rowfilter' is null), true)
	from unnest($2::oid[]) as asked (oid) join pg_class c on c.oid = asked.oid join pg_namespace n on n.oid = c.relnamespace
	left join pg_publication_tables t on t.schemaname = n.nspname and t.tablename = c.relname and t.pubname = any ($1)
	left join pg_publication p on p.pubname = t.pubname
	group by c.oid, n.nspname, c.relname order by 2`

// Whole returns which relations have all of their changes published, whatever their rows
// are, and the names of those that have not.
func (c Catalog) Whole(ctx context.Context, relations []uint32) (whole []uint32, others []string, err error) {
	if len(relations) == 0 {
		return nil, nil, nil
	}
	rows, err := c.db.Query(ctx, wholeQuery, c.publications, relations)
	if err == nil {
		var oid uint32
		var name string
		var isWhole bool
		_, err = pgx.ForEachRow(rows, []any{&oid, &name, &isWhole}, func() error {
			if isWhole {
				whole = append(whole, oid)
			} else {
				others = append(others, name)
			}
			return nil
		})
	}
	if err != nil {
		return nil, nil, fmt.Errorf("look for what is published of %d relations: %w", len(relations), err)
	}
	return whole, others, nil
}

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

// differingQuery compares the columns that are sent. Lists of columns exist from 15 on; up to
// 17 the view has generated columns, which are not sent.
const differingQuery = `
	select schema, name from (
		select t.schemaname::text as schema, t.tablename::text as name, array(
			select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
				and to_jsonb(t) -> 'attnames' ? a.attname::text and (a.attgenerated = '' or current_setting('server_version_num')::int >= 180000)
			order by a.attnum) as columns
		from pg_publication_tables t join pg_namespace n on n.nspname = t.schemaname
		join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
		where t.pubname = any ($1)) as published
	group by schema, name having count(distinct columns) > 1 order by schema, name`

// Differing returns the tables of which the publications send different columns: Postgres
// ends a stream at the first change of such a table.
func (c Catalog) Differing(ctx context.Context) ([]TableName, error) {
	rows, err := c.db.Query(ctx, differingQuery, c.publications)
	if err == nil {
		var names []TableName
		if names, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TableName]); err == nil {
			return names, nil
		}
	}
	return nil, fmt.Errorf("compare the columns of publications: %w", err)
}

// RowFilter is the row filter of a publication for a table: SQL that has nothing but
// built-in functions, operators and types in it.
type RowFilter struct {
	Publication, Text string
	Columns           []int16 // numbers of the columns that it may read
}

// rowFiltersQuery reads through jsonb what exists from 15 on only. A name that is in the
// text counts for a column that is read.
const rowFiltersQuery = `
	select t.pubname::text, to_jsonb(t) ->> 'rowfilter',
		array(select a.attnum from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
			and strpos(to_jsonb(t) ->> 'rowfilter', quote_ident(a.attname)) > 0 order by 1)
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	join pg_publication_tables t on t.schemaname = n.nspname and t.tablename = c.relname
	join pg_publication p on p.pubname = t.pubname
	where c.oid = $2 and t.pubname = any ($1) and case $3 when 'INSERT' then p.pubinsert when 'UPDATE' then p.pubupdate else p.pubdelete end
	order by 1`

// RowFilters returns the row filters that decide which INSERT, UPDATE or DELETE of a
// relation is published. There is none where a publication has them all.
func (c Catalog) RowFilters(ctx context.Context, relation uint32, op wal.Operation) (all []RowFilter, err error) {
	rows, err := c.db.Query(ctx, rowFiltersQuery, c.publications, relation, op.String())
	hasAll := false
	if err == nil {
		var f RowFilter
		var text *string
		_, err = pgx.ForEachRow(rows, []any{&f.Publication, &text, &f.Columns}, func() error {
			if hasAll = hasAll || text == nil; !hasAll {
				all = append(all, RowFilter{f.Publication, *text, slices.Clone(f.Columns)})
			}
			return nil
		})
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("look for row filters of relation %d: %w", relation, err)
	case hasAll:
		return nil, nil
	}
	return all, nil
}
