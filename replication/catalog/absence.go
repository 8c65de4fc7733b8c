package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Absence tells why a name is not that of a published table.
type Absence struct {
	Kind        string // pg_class.relkind of what has the name, "" for nothing
	Persistence string // pg_class.relpersistence: only "p" is written to the WAL
	// RefersToUnlogged says that it has a foreign key to another table that is unlogged.
	RefersToUnlogged bool

	Leaves    bool   // it is partitioned and named by a publication, which publishes its partitions instead
	Root      bool   // it is a partition, published as part of its root
	Inherited bool   // other tables inherit from it, which are published with it unless it is named alone
	System    bool   // it is Postgres' own, which can never be published
	Target    Target // the publication to add it to
	Schema    SchemaShape
	Shape     Shape // of a table
}

// Target is a publication that a table could be added to.
type Target struct {
	Publication string // "" when none of those read exists
	AllTables   bool   // it has all tables already, and takes no names
	OldRows     bool   // it publishes UPDATE or DELETE
	ViaRoot     bool   // it names partitioned tables, not their partitions
	Lists       bool   // it lists columns of tables, and therefore takes no schemas
	PartsRoots  bool   // it lists columns or filters rows of partitioned tables, which it therefore names itself
}

// SchemaShape is what keeps all tables of a schema from being published.
type SchemaShape struct {
	Exists       bool
	Unidentified int  // tables of it, and their partitions elsewhere, without a replica identity that can be used
	Publishable  bool // the server knows publications of schemas
}

// absenceQuery looks a name up as it is: "*" is the name of no table. The publication is
// the first one, or the first that has another part of the same partitioned table.
const absenceQuery = `
	with published as (
		select t.pubname, pg_partition_root(c.oid) as root, c.oid
		from pg_publication_tables t
		join pg_namespace n on n.nspname = t.schemaname
		join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
		where t.pubname = any ($3)
	)
	select coalesce(c.oid, 0), coalesce(c.relkind::text, ''), coalesce(c.relpersistence::text, ''),
		exists (select from pg_constraint f join pg_class o on o.oid = f.confrelid
			where f.contype = 'f' and f.conrelid = c.oid and o.oid <> c.oid and o.relpersistence = 'u'),
		coalesce(c.relkind = 'p' and exists (select from published p where p.root = c.oid) and exists (select from pg_publication b
			where b.pubname = any ($3) and (b.puballtables or exists (select from pg_publication_rel r where r.prpubid = b.oid and r.prrelid = c.oid))), false),
		coalesce(c.relispartition and exists (select from published p where p.oid = own.root), false),
		coalesce(c.relkind = 'r' and c.relhassubclass, false),
		$1 = 'information_schema' or $1 ~ '^pg_',
		coalesce(p.pubname::text, ''), coalesce(p.puballtables, false), coalesce(p.pubupdate or p.pubdelete, true), coalesce(p.pubviaroot, false),
		exists (select from pg_publication_rel r where r.prpubid = p.oid and to_jsonb(r) ->> 'prattrs' is not null),
		exists (select from pg_publication_rel r join pg_class o on o.oid = r.prrelid where r.prpubid = p.oid and o.relkind = 'p'
			and coalesce(to_jsonb(r) ->> 'prattrs', to_jsonb(r) ->> 'prqual') is not null),
		n.oid is not null,
		(select count(distinct c.oid) from pg_class o cross join lateral (` + partsOf + `) as part join pg_class c on c.oid = part.oid
			where $2 = '*' and o.relnamespace = n.oid and o.relkind in ('r', 'p') and c.relkind = 'r' and c.relpersistence = 'p' and ` + withoutIdentity + `),
		current_setting('server_version_num')::int >= 150000
	from (select) as one
	left join pg_namespace n on n.nspname = $1
	left join pg_class c on c.relnamespace = n.oid and c.relname = $2
	left join lateral (select pg_partition_root(c.oid) as root) as own on true
	left join lateral (select * from pg_publication b where b.pubname = any ($3)
		order by exists (select from published p where p.pubname = b.pubname and p.root = own.root) desc, array_position($3, b.pubname::text) limit 1) p on true`

// partsOf lists a table o and its partitions, of which the rows are, without the locks that
// pg_partition_tree takes on them.
const partsOf = `with recursive part (oid) as (
		select o.oid union all select i.inhrelid from part join pg_class p on p.oid = part.oid and p.relkind = 'p' join pg_inherits i on i.inhparent = p.oid)
	select oid from part`

// Absent says why Published finds no table of a name.
func (c Catalog) Absent(ctx context.Context, schema, table string) (Absence, error) {
	var a Absence
	var oid uint32
	into := []any{
		&oid, &a.Kind, &a.Persistence, &a.RefersToUnlogged, &a.Leaves, &a.Root, &a.Inherited, &a.System, &a.Target.Publication, &a.Target.AllTables, &a.Target.OldRows, &a.Target.ViaRoot, &a.Target.Lists, &a.Target.PartsRoots,
		&a.Schema.Exists, &a.Schema.Unidentified, &a.Schema.Publishable,
	}
	rows, err := c.db.Query(ctx, absenceQuery, schema, table, c.publications)
	if err == nil {
		_, err = pgx.ForEachRow(rows, into, func() error { return nil })
	}
	if err == nil && (a.Kind == "r" || a.Kind == "p") {
		a.Shape, err = c.Shape(ctx, oid)
	}
	if err != nil {
		return Absence{}, fmt.Errorf("look for table %q.%q: %w", schema, table, err)
	}
	return a, nil
}

// MissingPublications returns which of the publications there are none of.
func (c Catalog) MissingPublications(ctx context.Context) ([]string, error) {
	const query = `select name from unnest($1::text[]) with ordinality as wanted (name, ordinal)
		where not exists (select from pg_publication where pubname = name) order by ordinal`
	missing, err := c.texts(ctx, query, c.publications)
	if err != nil {
		return nil, fmt.Errorf("look for publications: %w", err)
	}
	return missing, nil
}

// TableName is a table's schema and name.
type TableName struct{ Schema, Table string }

// PublishedNames returns schema and name of all tables of the publications.
func (c Catalog) PublishedNames(ctx context.Context) ([]TableName, error) {
	const query = `select distinct schemaname::text, tablename::text from pg_publication_tables where pubname = any ($1)`
	rows, err := c.db.Query(ctx, query, c.publications)
	if err == nil {
		var names []TableName
		if names, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TableName]); err == nil {
			return names, nil
		}
	}
	return nil, fmt.Errorf("list published tables: %w", err)
}

// HasColumn reports whether the table has the column, published or not.
func (c Catalog) HasColumn(ctx context.Context, relation uint32, column string) (bool, error) {
	const query = `select attname::text from pg_attribute where attrelid = $1 and attname = $2 and attnum > 0 and not attisdropped`
	found, err := c.texts(ctx, query, relation, column)
	if err != nil {
		return false, fmt.Errorf("look for column %q of relation %d: %w", column, relation, err)
	}
	return len(found) > 0, nil
}

// usableQuery looks at every schema, so that it takes as long whichever of them
// is asked for. A role that does not exist may use none.
const usableQuery = `
	select n.nspname::text
	from pg_namespace n
	cross join pg_roles r
	where r.rolname = $1::text and has_schema_privilege(r.oid, n.oid, 'USAGE')`

// UsableSchemas returns the schemas on which the role has USAGE.
func (c Catalog) UsableSchemas(ctx context.Context, role string) (map[string]bool, error) {
	names, err := c.texts(ctx, usableQuery, role)
	if err != nil {
		return nil, fmt.Errorf("look for schemas that role %q may use: %w", role, err)
	}
	usable := make(map[string]bool, len(names))
	for _, name := range names {
		usable[name] = true
	}
	return usable, nil
}

// Shape is what of a table decides which changes of its replica identity and of
// publications its application survives: Postgres refuses UPDATE and DELETE of a
// published table whose identity does not do.
type Shape struct {
	Unidentified bool     // it, or a partition of it, has no replica identity that can be used
	Listed       string   // a publication with a list of its columns: with a full identity UPDATE would fail; "" if there is none
	Generated    bool     // it has generated columns, and the server is 18 or newer: the same
	Partitions   []string // of it, quoted, but for foreign tables: each has an identity of its own
}

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
			where c.oid <> $1 and c.relkind in ('r', 'p') order by 1)`

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

// withoutIdentity is of a table c whether it has no replica identity that can be
// used, so that a publication of updates and deletes makes these fail at the writer.
// relreplident alone does not tell: it stays as it was when the primary key or the
// index is dropped, and a deferrable key does not count. From 18 on an identity must
// have no generated column, as those are not published.
const withoutIdentity = `case c.relreplident
		when 'f' then ` + generated + `)
		when 'n' then true
		when 'd' then not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and i.indisvalid and i.indimmediate
			and not ` + generated + ` and a.attnum = any (i.indkey)))
		else not exists (select from pg_index i where i.indrelid = c.oid and i.indisreplident and i.indisvalid and i.indimmediate
			and not ` + generated + ` and a.attnum = any (i.indkey)))
	end`

// generated asks for the generated columns of a table c that an identity must not have.
const generated = `exists (select from pg_attribute a where current_setting('server_version_num')::int >= 180000
	and a.attrelid = c.oid and a.attgenerated <> '' and not a.attisdropped`

// unidentified begins a query for the names of tables c without an identity. A partitioned
// table has no rows, so that it needs none.
const unidentified = `
	select distinct format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind = 'r' and c.relpersistence = 'p' and ` + withoutIdentity + ` and `

// Unidentified returns the names of the tables, or their partitions, whose UPDATE and DELETE
// fail, as publications have these and they have no replica identity.
func (c Catalog) Unidentified(ctx context.Context) ([]string, error) {
	return c.unidentified(ctx, `c.oid in (
			select part.oid from pg_publication p join pg_publication_tables t on t.pubname = p.pubname join pg_namespace s on s.nspname = t.schemaname
			join pg_class o on o.relnamespace = s.oid and o.relname = t.tablename cross join lateral (`+partsOf+`) as part
			where p.pubname = any ($1) and (p.pubupdate or p.pubdelete))`, c.publications)
}

// UnidentifiedOf returns those that would have to fail if tables, by their names as SQL has
// them, were published with their partitions and what inherits from them.
func (c Catalog) UnidentifiedOf(ctx context.Context, tables []string) ([]string, error) {
	return c.unidentified(ctx, `c.oid in (
			with recursive named (oid) as (
				select to_regclass(name)::oid from unnest($1::text[]) name
				union select i.inhrelid from pg_inherits i join named on named.oid = i.inhparent
			)
			select oid from named)`, tables)
}

// UnidentifiedOfAll returns those that would have to fail if all tables were published.
func (c Catalog) UnidentifiedOfAll(ctx context.Context) ([]string, error) {
	return c.unidentified(ctx, `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`)
}

func (c Catalog) unidentified(ctx context.Context, which string, args ...any) ([]string, error) {
	names, err := c.texts(ctx, unidentified+which+` order by 1`, args...)
	if err != nil {
		return nil, fmt.Errorf("look for tables without replica identity: %w", err)
	}
	return names, nil
}
