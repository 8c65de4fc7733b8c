package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"walcast/diagnose"
	"walcast/replication/catalog"
)

func (l *looker) publications(f *facts) {
	var p publication
	l.rows("publications", `
		select p.pubname::text, pg_get_userbyid(p.pubowner)::text, p.puballtables, p.pubviaroot, (select count(*) from pg_publication_tables t where t.pubname = p.pubname)
		from pg_publication p where p.pubname = any ($1) order by array_position($1, p.pubname::text)`,
		[]any{f.config.Publications}, []any{&p.name, &p.owner, &p.allTables, &p.viaRoot, &p.tables},
		func() { f.publications = append(f.publications, p) })
	if l.err != nil {
		return
	}
	partly, err := catalog.New(l.conn, f.config.Publications).Publishes(l.ctx, "*", "*")
	if err != nil {
		l.err = err
		return
	}
	for _, of := range partly {
		for i := range f.publications {
			if p := &f.publications[i]; p.name == of.Publication {
				p.missing, p.all, p.allCost = diagnose.PublishAll(of)
			}
		}
	}
}

// publishedOf lists what is published: the root of a partitioned table or its
// partitions, as each publication has it. The names of its columns exist from 15 on.
const publishedOf = `(
	select p.oid as publication, p.pubname::text as pubname, p.pubupdate or p.pubdelete as olds, c.*, n.nspname,
		to_jsonb(t) -> 'attnames' as names, to_jsonb(t) ->> 'rowfilter' as rowfilter
	from pg_publication p
	join pg_publication_tables t on t.pubname = p.pubname
	join pg_namespace n on n.nspname = t.schemaname
	join (select oid, relname, relnamespace, relkind, relispartition, relowner, relreplident from pg_class) c on c.relnamespace = n.oid and c.relname = t.tablename`

// publishedFrom is that of the publications that walcast reads, publishedByAny of all.
const (
	publishedFrom  = publishedOf + ` where p.pubname = any ($1)) as t`
	publishedByAny = publishedOf + `) as t`
)

// partsFrom has the parts l of a published table t, which have its rows.
const partsFrom = `cross join lateral (select t.oid as oid union select relid::oid from pg_partition_tree(t.oid)) as tree
	join pg_class l on l.oid = tree.oid and l.relkind = 'r'`

// usableKey asks for an index i of table that can be a replica identity.
const usableKey = `i.indisvalid and i.indimmediate`

const tablesSQL = `
	select t.oid, t.nspname::text, t.relname::text, t.relkind::text, t.relispartition, pg_get_userbyid(t.relowner)::text,
		array(select a.attname::text from pg_attribute a where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
			and a.attlen = -1 and a.attstorage <> 'p' and exists (select from (select) as one ` + partsFrom + ` where l.relreplident <> 'f') order by a.attnum),
		not exists (select from pg_attribute a where a.attrelid = t.oid and a.attgenerated = 'v' and not a.attisdropped)
	from ` + publishedFrom + `
	group by t.oid, t.nspname, t.relname, t.relkind, t.relispartition, t.relowner order by 2, 3`

// partColumns are what a part l of a table t is read from.
const partColumns = `l.oid, ln.nspname || '.' || l.relname, format('"%s"."%s"', replace(ln.nspname, '"', '""'), replace(l.relname, '"', '""')), l.oid <> t.oid`

// brokenSQL lists the tables whose UPDATE and DELETE fail at the writer: rows are in
// partitions, so that it is the replica identity of each that counts. What Postgres wants
// of an identity: that there is one, that the publication has its columns (all of them for
// FULL, and from 18 on generated ones too), and that the row filter reads no others.
const brokenSQL = `
	select t.oid, ` + partColumns + `, l.relreplident::text,
		case l.relreplident when 'f' then false when 'n' then true else not exists (select from pg_index i where i.indrelid = l.oid and ` + usableKey + ` and ` + isIdentity + `) end as none,
		k.unlisted, k.filtered, t.pubname,
		array(select jsonb_array_elements_text(case jsonb_typeof(t.names) when 'array' then t.names end)), coalesce(t.rowfilter, ''),
		coalesce((select case o.relkind when 'p' then '' else 'ONLY ' end || format('%I.%I', n.nspname, o.relname)
			from pg_publication_rel r join pg_class o on o.oid = r.prrelid join pg_namespace n on n.oid = o.relnamespace
			where r.prpubid = t.publication and r.prrelid in (` + lineage + `) and to_jsonb(r) ->> 'prattrs' is not null limit 1), '')
	from ` + publishedFrom + `
	` + partsFrom + `
	join pg_namespace ln on ln.oid = l.relnamespace
	cross join lateral (select array(
		select a.attname::text from pg_attribute a where a.attrelid = l.oid and a.attnum > 0 and not a.attisdropped
			and case l.relreplident when 'f' then a.attgenerated = '' or current_setting('server_version_num')::int >= 180000
				else exists (select from pg_index i where i.indrelid = l.oid and ` + usableKey + ` and ` + isIdentity + ` and a.attnum = any (i.indkey::int2[])) end) as columns) as own
	cross join lateral (select
		array(select c from unnest(own.columns) c where jsonb_typeof(t.names) = 'array' and not t.names ? c) as unlisted,
		array(select name from (` + filterReads + `) as f where not name = any (own.columns)) as filtered) as k
	where t.olds order by 1, none desc, 3, t.pubname`

// filterReads has the names of the columns that the row filter reads by which a publication
// has a part l of a table t. Postgres notes them together with those of the list: where there
// are both, the text of the filter is searched.
const filterReads = `select distinct a.attname::text as name from pg_publication_rel r
	join pg_depend d on d.classid = 'pg_publication_rel'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass and d.refobjid = r.prrelid
	join pg_attribute a on a.attrelid = r.prrelid and a.attnum = d.refobjsubid and a.attnum > 0
	where r.prpubid = t.publication and r.prrelid in (` + lineage + `) and t.rowfilter is not null
		and (to_jsonb(r) ->> 'prattrs' is null or strpos(t.rowfilter, quote_ident(a.attname)) > 0)`

// generatedSQL lists the parts that have FULL and generated columns.
const generatedSQL = `
	select distinct t.oid, ` + partColumns + `
	from ` + publishedFrom + `
	` + partsFrom + ` and l.relreplident = 'f'
	join pg_namespace ln on ln.oid = l.relnamespace
	where exists (select from pg_attribute a where a.attrelid = l.oid and a.attgenerated <> '' and not a.attisdropped) order by 1, 3`

// keysSQL looks whether the primary keys of parts can be their replica identities.
const keysSQL = `
	select l.oid, exists (select from pg_index i where i.indrelid = l.oid and i.indisprimary and ` + usableKey + `),
		exists (select from ` + publishedByAny + ` cross join lateral (` + filterReads + `) as f
			where t.olds and t.oid in (` + lineage + `) and not exists (select from pg_index i join pg_attribute k on k.attrelid = i.indrelid and k.attnum = any (i.indkey::int2[])
				where i.indrelid = l.oid and i.indisprimary and k.attname = f.name))
	from pg_class l where l.oid = any ($1)`

// isIdentity is of an index i of l whether it is the table's replica identity.
const isIdentity = `case l.relreplident when 'd' then i.indisprimary else i.indisreplident end`

// lineage is a table and all that it is a partition of.
const lineage = `select l.oid union select a.relid::oid from pg_partition_ancestors(l.oid) a`

func (l *looker) tables(f *facts) {
	var t table
	l.rows("published tables", tablesSQL, []any{f.config.Publications},
		[]any{&t.oid, &t.schema, &t.name, &t.kind, &t.isPartition, &t.owner, &t.longs, &t.generated.onlyStored},
		func() { f.tables = append(f.tables, t) })
	l.differing(f)
	var oid uint32
	var b broken
	var listed []string
	var filter, object string
	l.rows("replica identities", brokenSQL, []any{f.config.Publications},
		append(b.part.into(&oid), &b.identity, &b.none, &b.unlisted, &b.filtered, &b.publication, &listed, &filter, &object), func() {
			if t := f.table(oid); t != nil && t.broken.oid == 0 && (b.none || len(b.unlisted)+len(b.filtered) > 0) {
				t.broken = b
				t.broken.again = publishAgain(b, listed, filter, object)
			}
		})
	var p part
	l.rows("generated columns", generatedSQL, []any{f.config.Publications}, p.into(&oid), func() {
		if t := f.table(oid); t != nil && t.generated.inFull.oid == 0 {
			t.generated.inFull = p
		}
	})
	l.keys(f)
	for i := range f.tables {
		l.shape(&f.tables[i])
	}
}

// into is what a table and partColumns are read into.
func (p *part) into(table *uint32) []any {
	return []any{table, &p.oid, &p.name, &p.quoted, &p.isPart}
}

// keys looks at the keys of the parts that findings are about.
func (l *looker) keys(f *facts) {
	of := map[uint32][]*part{}
	for i := range f.tables {
		t := &f.tables[i]
		for _, p := range []*part{&t.broken.part, &t.generated.inFull} {
			if p.oid != 0 {
				of[p.oid] = append(of[p.oid], p)
			}
		}
	}
	if len(of) == 0 {
		return
	}
	var oid uint32
	var hasKey, tooShort bool
	l.rows("primary keys", keysSQL, []any{slices.Collect(maps.Keys(of))}, []any{&oid, &hasKey, &tooShort}, func() {
		for _, p := range of[oid] {
			p.hasKey, p.keyTooShort = hasKey, tooShort
		}
	})
}

// differing notes the tables of which publications have different columns.
func (l *looker) differing(f *facts) {
	if l.err != nil {
		return
	}
	var names []catalog.TableName
	names, l.err = catalog.New(l.conn, f.config.Publications).Differing(l.ctx)
	for i := range f.tables {
		t := &f.tables[i]
		t.differs = slices.Contains(names, catalog.TableName{Schema: t.schema, Table: t.name})
	}
}

// shape looks what a broken table lets be done.
func (l *looker) shape(t *table) {
	if l.err != nil || t.broken.oid == 0 {
		return
	}
	var s catalog.Shape
	s, l.err = catalog.New(l.conn, nil).Shape(l.ctx, t.oid)
	t.broken.full, t.broken.fullCost = diagnose.FullIdentity(t.schema, t.name, s)
}

// publishAgain is SQL that publishes a table with the columns that a publication lists,
// and those that it lacks. It is "" where the publication has no list of the table.
func publishAgain(b broken, listed []string, filter, object string) string {
	if object == "" || len(b.unlisted) == 0 {
		return ""
	}
	var columns []string
	for _, c := range append(listed, b.unlisted...) {
		columns = append(columns, quote(c))
	}
	if filter != "" {
		filter = " WHERE (" + filter + ")"
	}
	return fmt.Sprintf("BEGIN; ALTER PUBLICATION %[1]s DROP TABLE %[2]s; ALTER PUBLICATION %[1]s ADD TABLE %[2]s (%[3]s)%[4]s; COMMIT;",
		quote(b.publication), object, strings.Join(columns, ", "), filter)
}

// likelySQL lists tables that some role may read and that are not published, but for those
// of Postgres, of platforms and of walcast.
const likelySQL = `
	select n.nspname::text, c.relname::text
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
		and n.nspname !~ '^pg_' and n.nspname <> all ('{information_schema, realtime, auth, storage, vault, extensions, graphql, supabase_functions, supabase_migrations, cron, net, pgsodium}')
		and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
		and not exists (select from pg_publication_tables t where t.pubname = any ($1) and t.schemaname = n.nspname
			and (t.tablename = c.relname or t.tablename in (select p.relname from pg_partition_tree(c.oid) as tree join pg_class p on p.oid = tree.relid)))
		and exists (select from pg_roles r where r.rolname = any ($2) and has_schema_privilege(r.oid, n.oid, 'USAGE') and has_any_column_privilege(r.oid, c.oid, 'SELECT'))
	order by 1, 2 limit $3`

// likelyMost is how many tables are told of that are not published.
const likelyMost = 50

func (l *looker) likely(publications []string, roles []clientRole) (tables []catalog.TableName) {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.name
	}
	var t catalog.TableName
	l.rows("tables", likelySQL, []any{publications, names, likelyMost}, []any{&t.Schema, &t.Table}, func() { tables = append(tables, t) })
	return tables
}
