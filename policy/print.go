package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"walcast/replication/wal"

	"github.com/jackc/pgx/v5"
)

// Kind is a kind of catalog object that answers depend on.
type Kind string

// The kinds.
const (
	DependRelation Kind = "relation" // with its columns, policies and primary key
	DependFunction Kind = "function"
	DependType     Kind = "type" // with labels, fields and constraints

	// dependRest stands for all that is not looked at by OID: roles, their membership
	// and settings, schemas, and new functions, operators and casts.
	dependRest Kind = "rest"
)

// dependency is a catalog object that answers depend on.
type dependency struct {
	kind Kind
	oid  uint32
}

// prints is the fingerprints of dependencies. Objects that the database does not have
// are not in it.
type prints map[dependency]int64

// sightSQL takes the fingerprints of relations, functions and types by OID, and
// of the rest. It finds rows by index and scans small catalogs only. The fingerprint
// of a row is its identity (xmin and ctid), which every change of the row changes. In
// pg_class, whose rows Postgres changes for reasons of its own, it is the contents.
// The largest OIDs are in the rest because a new function, operator or cast may fit
// a call better than the one that was meant.
//
// With each fingerprint comes the age of the newest catalog row in it. Deleted rows
// have none, and that of roles we may not read.
const sightSQL = `
select 'relation', c.oid, hashtextextended(concat_ws(' ', c.relname, c.relnamespace, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, a.print, p.print,
	(select string_agg(concat_ws(' ', i.indexrelid, i.indkey, i.indclass), ',') from pg_index i where i.indrelid = c.oid and i.indisprimary)), 0),
	least(age(c.xmin), a.age, p.age), null
from pg_class c
cross join lateral (select sum(hashtextextended(concat_ws(' ', a.attnum, a.xmin, a.ctid), 0)) as print, min(age(a.xmin)) as age
	from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as a
cross join lateral (select sum(hashtextextended(concat_ws(' ', p.oid, p.xmin, p.ctid), 0)) as print, min(age(p.xmin)) as age
	from pg_policy p where p.polrelid = c.oid) as p
where c.oid = any ($1)
union all
select 'function', f.oid, hashtextextended(concat_ws(' ', f.xmin, f.ctid), 0), age(f.xmin), null from pg_proc f where f.oid = any ($2)
union all
select 'type', t.oid, hashtextextended(concat_ws(' ', t.xmin, t.ctid, e.print, n.print, a.print), 0), least(age(t.xmin), e.age, n.age, a.age), null
from pg_type t
cross join lateral (select sum(hashtextextended(concat_ws(' ', e.oid, e.xmin, e.ctid), 0)) as print, min(age(e.xmin)) as age from pg_enum e where e.enumtypid = t.oid) as e
cross join lateral (select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) as print, min(age(n.xmin)) as age from pg_constraint n where n.contypid = t.oid) as n
cross join lateral (select sum(hashtextextended(concat_ws(' ', a.attnum, a.xmin, a.ctid), 0)) as print, min(age(a.xmin)) as age
	from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0) as a
where t.oid = any ($3)
union all
select 'rest', 0::oid, hashtextextended(concat_ws(' ',
	(select sum(hashtextextended(concat_ws(' ', r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolbypassrls), 0)) from pg_roles r),
	m.print, s.print, n.print, (select d.datdba from pg_database d where d.datname = current_database()),
	(select max(oid) from pg_proc), (select max(oid) from pg_operator), (select max(oid) from pg_cast)), 0),
	least(m.age, s.age, n.age, (select age(f.xmin) from pg_proc f order by f.oid desc limit 1),
		(select age(o.xmin) from pg_operator o order by o.oid desc limit 1), (select age(k.xmin) from pg_cast k order by k.oid desc limit 1)), null
from (select sum(hashtextextended(concat_ws(' ', m.roleid, m.member, m.xmin, m.ctid), 0)) as print, min(age(m.xmin)) as age from pg_auth_members m) as m,
	(select sum(hashtextextended(concat_ws(' ', s.setdatabase, s.setrole, s.xmin, s.ctid), 0)) as print, min(age(s.xmin)) as age from pg_db_role_setting s) as s,
	(select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) as print, min(age(n.xmin)) as age from pg_namespace n where n.nspname !~ '^pg_(toast_)?temp_') as n
union all
select 'now', coalesce((select s.catalog_xmin::text::oid from pg_replication_slots s where ` + slotsWhere + ` order by age(s.catalog_xmin) desc limit 1), 0::oid),
	(extract(epoch from clock_timestamp()) * 1000000)::bigint, coalesce((select max(age(s.catalog_xmin)) from pg_replication_slots s where ` + slotsWhere + `), 0),
	concat_ws(' ', pg_current_snapshot()::text, case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end)`

const slotsWhere = `s.database = current_database() and s.catalog_xmin is not null`

// dependencies is the OIDs that one answer depends on, as sightSQL takes them.
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

// all lists the dependencies and the rest.
func (d *dependencies) all() []dependency {
	all := []dependency{{kind: dependRest}}
	for kind, oids := range map[Kind][]uint32{DependRelation: d.relations, DependFunction: d.functions, DependType: d.types} {
		for _, oid := range oids {
			all = append(all, dependency{kind, oid})
		}
	}
	return all
}

// but lists the same as all except for a relation.
func (d *dependencies) but(relation uint32) []dependency {
	return slices.DeleteFunc(d.all(), func(of dependency) bool { return of == dependency{DependRelation, relation} })
}

// read takes the rows of sightSQL.
func (s *sight) read(rows pgx.Rows) error {
	s.prints, s.ages = prints{}, map[dependency]int32{}
	var kind string
	var oid uint32
	var print int64
	var age int32
	var seen *string
	_, err := pgx.ForEachRow(rows, []any{&kind, &oid, &print, &age, &seen}, func() (err error) {
		if seen == nil {
			d := dependency{Kind(kind), oid}
			s.prints[d], s.ages[d] = print, age
			return nil
		}
		s.held, s.heldAge, s.at = oid, age, time.UnixMicro(print)
		snapshot, flushed, _ := strings.Cut(*seen, " ")
		if s.snapshot, err = wal.ParseSnapshot(snapshot); err == nil {
			s.flushed, err = wal.ParseLSN(flushed)
		}
		return err
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

// readSight reads the fingerprints of dependencies, over a session whose search_path
// is catalogPath.
func readSight(ctx context.Context, conn *pgx.Conn, of *dependencies) (*sight, error) {
	rows, err := conn.Query(ctx, sightSQL, of.args()...)
	if err != nil {
		return nil, fmt.Errorf("look at the catalog: %w", err)
	}
	found := &sight{}
	if err := found.read(rows); err != nil {
		return nil, fmt.Errorf("look at the catalog: %w", err)
	}
	return found, nil
}
