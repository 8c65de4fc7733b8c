package policy

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Kind is a kind of what answers depend on.
type Kind string

// The kinds.
const (
	DependRelation Kind = "relation" // with its columns, policies and primary key
	DependFunction Kind = "function"
	DependType     Kind = "type" // with labels, fields and constraints

	// dependRest is one for all that has no OID of its own here: roles, their
	// membership and settings, schemas, and what may fit a name better.
	dependRest Kind = "rest"
)

// dependency is something in the catalog that answers depend on.
type dependency struct {
	kind Kind
	oid  uint32
}

// prints are fingerprints of dependencies. What the database does not have is
// not among them.
type prints map[dependency]int64

// printsSQL takes the fingerprints of relations, functions and types by OID, and
// of the rest. It finds rows by index and goes through small catalogs only. A
// row's identity (xmin and ctid) changes with every change of it; where Postgres
// changes rows for reasons of its own, as in pg_class, it is their contents. The
// largest OIDs tell of new functions, operators and casts, which nothing depends
// on yet and which may fit a name better than those that are meant.
const printsSQL = `
select 'relation', c.oid, hashtextextended(concat_ws(' ', c.relname, c.relnamespace, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity,
	(select sum(hashtextextended(concat_ws(' ', a.attnum, a.xmin, a.ctid), 0)) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0),
	(select sum(hashtextextended(concat_ws(' ', p.oid, p.xmin, p.ctid), 0)) from pg_policy p where p.polrelid = c.oid),
	(select string_agg(concat_ws(' ', i.indexrelid, i.indkey, i.indclass), ',') from pg_index i where i.indrelid = c.oid and i.indisprimary)), 0)
from pg_class c where c.oid = any ($1)
union all
select 'function', f.oid, hashtextextended(concat_ws(' ', f.xmin, f.ctid), 0) from pg_proc f where f.oid = any ($2)
union all
select 'type', t.oid, hashtextextended(concat_ws(' ', t.xmin, t.ctid,
	(select sum(hashtextextended(concat_ws(' ', e.oid, e.xmin, e.ctid), 0)) from pg_enum e where e.enumtypid = t.oid),
	(select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) from pg_constraint n where n.contypid = t.oid),
	(select sum(hashtextextended(concat_ws(' ', a.attnum, a.xmin, a.ctid), 0)) from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0)), 0)
from pg_type t where t.oid = any ($3)
union all
select 'rest', 0::oid, hashtextextended(concat_ws(' ',
	(select sum(hashtextextended(concat_ws(' ', r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolbypassrls), 0)) from pg_roles r),
	(select sum(hashtextextended(concat_ws(' ', m.roleid, m.member, m.xmin, m.ctid), 0)) from pg_auth_members m),
	(select sum(hashtextextended(concat_ws(' ', s.setdatabase, s.setrole, s.xmin, s.ctid), 0)) from pg_db_role_setting s),
	(select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) from pg_namespace n where n.nspname !~ '^pg_(toast_)?temp_'),
	(select d.datdba from pg_database d where d.datname = current_database()),
	(select max(oid) from pg_proc), (select max(oid) from pg_operator), (select max(oid) from pg_cast)), 0)`

// dependencies of one answer, as printsSQL takes them.
type dependencies struct{ relations, functions, types []uint32 }

func (d *dependencies) add(of dependency) {
	switch of.kind {
	case DependRelation:
		d.relations = append(d.relations, of.oid)
	case DependFunction:
		d.functions = append(d.functions, of.oid)
	case DependType:
		d.types = append(d.types, of.oid)
	}
}

func (d *dependencies) args() []any { return []any{d.relations, d.functions, d.types} }

// all lists them, and the rest.
func (d *dependencies) all() []dependency {
	all := []dependency{{kind: dependRest}}
	for kind, oids := range map[Kind][]uint32{DependRelation: d.relations, DependFunction: d.functions, DependType: d.types} {
		for _, oid := range oids {
			all = append(all, dependency{kind, oid})
		}
	}
	return all
}

// read takes the rows of printsSQL.
func (ps prints) read(rows pgx.Rows) error {
	var kind string
	var oid uint32
	var print int64
	_, err := pgx.ForEachRow(rows, []any{&kind, &oid, &print}, func() error {
		ps[dependency{Kind(kind), oid}] = print
		return nil
	})
	return err
}

// dependenciesSQL finds what the row-level security and the types of a relation
// depend on: it and its ancestors, the functions and types of its policies, and
// the types of its columns with those below them.
const dependenciesSQL = `select array(select $1::oid union select relid::oid from pg_partition_ancestors($1::oid::regclass)),
	array(select d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
		where p.polrelid = $1 and d.refclassid = 'pg_proc'::regclass
		union select unnest(array['current_setting(text)', 'current_setting(text,boolean)']::regprocedure[])::oid),
	array(with recursive used (oid) as (
		select a.atttypid from pg_attribute a where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
		union select d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
			where p.polrelid = $1 and d.refclassid = 'pg_type'::regclass
		union select below.oid from used join pg_type t on t.oid = used.oid
			left join pg_attribute f on f.attrelid = t.typrelid and f.attnum > 0
			left join pg_range g on g.rngtypid = t.oid
			cross join lateral unnest(array[t.typelem, t.typbasetype, f.atttypid, g.rngsubtype]) as below (oid)
		where below.oid <> 0)
	select used.oid from used where used.oid >= 16384)`

// readPrints takes fingerprints over a session whose search_path is pinned.
func readPrints(ctx context.Context, conn *pgx.Conn, of *dependencies) (prints, error) {
	rows, err := conn.Query(ctx, printsSQL, of.args()...)
	if err != nil {
		return nil, fmt.Errorf("look at the catalog: %w", err)
	}
	found := prints{}
	if err := found.read(rows); err != nil {
		return nil, fmt.Errorf("look at the catalog: %w", err)
	}
	return found, nil
}
