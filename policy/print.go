package policy

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// Kind is a kind of catalog object that answers depend on.
type Kind string

// The kinds.
const (
	DependRelation Kind = "relation" // with its columns, policies and primary key
	DependFunction Kind = "function"
	DependType     Kind = "type" // with labels, fields and constraints

	// dependRest stands for all that is not looked at by OID: roles, their membership
	// and settings, schemas, functions, operators, and new casts.
	dependRest Kind = "rest"

	// What force goes by is narrower: it does not change with what cannot widen or
	// narrow access to a table for a role.
	dependAccess Kind = "access" // of a relation: owner, grants, row-level security and policies
	dependRole   Kind = "role"   // with the roles that it is a member of, and the settings that apply to it
	dependSchema Kind = "schema"
)

// dependency is a catalog object that answers depend on.
type dependency struct {
	kind Kind
	oid  uint32
}

// prints is the fingerprints of dependencies. Objects that the database does not have
// are not in it.
type prints map[dependency]int64

// sightSQL takes the fingerprints of relations, functions, types, roles and schemas
// by OID, and of the rest. It finds rows by index and scans small catalogs only. The
// fingerprint of a row is its identity (xmin and ctid), which every change of the row
// changes: a row that is changed, and changed back, is another one. In pg_class, whose
// rows Postgres changes for reasons of its own, it is the contents, and so it is in
// pg_roles, which shows no identity. The largest OIDs, and the newest transaction that has
// changed a function or an operator of users, are in the rest because one that is made,
// renamed or moved may fit a call better than the one that was meant, as may a new cast.
//
// With each fingerprint comes the age of the newest catalog row in it. Deleted rows
// have none, and that of roles we may not read. What may go without a trace, of all
// objects together, is a fingerprint of its own: roles with attributes that widen what
// they may see, memberships, settings, policies and constraints of domains.
//
// With those of access and of roles comes more, in six parts: the identity of the row in
// pg_class; the transaction that has made the table; what else the row says, so that one
// that was changed for other reasons is told from one that was changed and changed back;
// whether access may have widened without a trace, as by the drop of a policy; the
// policies; and what else has Postgres announce the table again when it changes, as
// ANALYZE and a new index do.
const sightSQL = `
select 'relation', c.oid, hashtextextended(concat_ws(' ', c.relname, c.relnamespace, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.relhassubclass, a.print, p.print,
		(select string_agg(concat_ws(' ', i.indexrelid, i.indkey, i.indclass), ',') from pg_index i where i.indrelid = c.oid and i.indisprimary)), 0),
	least(age(c.xmin), a.age, p.age), null
from pg_class c
cross join lateral (select sum(hashtextextended(concat_ws(' ', a.attnum, a.xmin, a.ctid), 0)) as print, min(age(a.xmin)) as age
	from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as a
cross join lateral (select sum(hashtextextended(concat_ws(' ', p.oid, p.xmin, p.ctid), 0)) as print, min(age(p.xmin)) as age
	from pg_policy p where p.polrelid = c.oid) as p
where c.oid = any ($1)
union all
select 'access', c.oid, hashtextextended(concat_ws(' ', c.relnamespace, c.relowner, c.relacl, c.relrowsecurity, c.relforcerowsecurity, a.print, p.print), 0),
	least(age(c.xmin), a.age, p.age), concat(c.xmin, c.ctid, ';', a.made, ';',
		hashtextextended(concat_ws(' ', c.relname, c.relam, c.relfilenode, c.reltablespace, c.reltoastrelid, c.relhasindex, c.relpersistence, c.relnatts, c.relchecks, c.relhasrules,
			c.relhastriggers, c.relhassubclass, c.relispopulated, c.relreplident, c.relispartition, c.reloptions), 0), ';', c.relrowsecurity or c.relforcerowsecurity, ';', p.all, ';',
		hashtextextended(concat_ws(' ', c.relpages, c.reltuples, c.relallvisible, c.relfrozenxid, c.relminmxid, c.relhasindex, c.relhastriggers, c.relhasrules, c.relhassubclass, c.relfilenode,
			(select sum(hashtextextended(concat_ws(' ', i.indexrelid, i.xmin, i.ctid, x.relfilenode), 0)) from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid),
			(select sum(hashtextextended(concat_ws(' ', t.oid, t.xmin, t.ctid), 0)) from pg_trigger t where t.tgrelid = c.oid),
			(select sum(hashtextextended(concat_ws(' ', r.oid, r.xmin, r.ctid), 0)) from pg_rewrite r where r.ev_class = c.oid),
			(select sum(hashtextextended(concat_ws(' ', e.oid, e.xmin, e.ctid), 0)) from pg_statistic_ext e where e.stxrelid = c.oid),
			(select sum(hashtextextended(concat_ws(' ', b.oid, b.xmin, b.ctid), 0)) from pg_publication_rel b where b.prrelid = c.oid), every.print), 0))
from pg_class c
cross join lateral (select sum(hashtextextended(concat_ws(' ', a.attnum, a.xmin, a.ctid), 0)) filter (where a.attacl is not null and a.attnum > 0) as print,
		min(age(a.xmin)) filter (where a.attacl is not null and a.attnum > 0) as age,
		(array_agg(a.xmin order by age(a.xmin) desc) filter (where a.attnum < 0))[1] as made
	from pg_attribute a where a.attrelid = c.oid and (a.attnum < 0 or a.attacl is not null)) as a
cross join lateral (select sum(hashtextextended(concat_ws(' ', p.oid, p.xmin, p.ctid), 0)) as print, min(age(p.xmin)) as age,
		string_agg(p.oid::text, ',' order by p.oid) as all
	from pg_policy p where p.polrelid = c.oid) as p
cross join (select concat_ws(' ', (select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) from pg_namespace n),
	(select sum(hashtextextended(concat_ws(' ', b.oid, b.xmin, b.ctid), 0)) from pg_publication b)) as print) as every
where c.oid = any ($6)
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
select 'role', r.oid, hashtextextended(concat_ws(' ', o.print, m.print, s.print), 0), least(m.age, s.age), concat(';;;', r.rolsuper or r.rolbypassrls or m.print is not null)
from pg_roles r
cross join lateral (with recursive up (oid) as (select r.oid union select m.roleid from up join pg_auth_members m on m.member = up.oid)
	select array_agg(up.oid) as oids from up) as up
cross join lateral (select sum(hashtextextended(concat_ws(' ', o.oid, o.rolname, o.rolsuper, o.rolinherit, o.rolbypassrls), 0)) as print
	from pg_roles o where o.oid = any (up.oids)) as o
cross join lateral (select sum(hashtextextended(concat_ws(' ', m.roleid, m.member, m.xmin, m.ctid), 0)) as print, min(age(m.xmin)) as age
	from pg_auth_members m where m.member = any (up.oids)) as m
cross join lateral (select sum(hashtextextended(concat_ws(' ', s.setdatabase, s.setrole, s.xmin, s.ctid), 0)) as print, min(age(s.xmin)) as age
	from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase left join pg_roles u on u.oid = s.setrole
	where coalesce(d.datname, current_database()) = current_database() and (s.setrole in (0, r.oid) or u.rolname = session_user)) as s
where r.oid = any ($4)
union all
select 'schema', n.oid, hashtextextended(concat_ws(' ', n.xmin, n.ctid), 0), age(n.xmin), null from pg_namespace n where n.oid = any ($5)
union all
select 'rest', 0::oid, hashtextextended(concat_ws(' ',
	(select sum(hashtextextended(concat_ws(' ', r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolbypassrls), 0)) from pg_roles r),
	m.print, s.print, n.print, (select d.datdba from pg_database d where d.datname = current_database()),
	f.oid, o.oid, (select max(oid) from pg_cast), age('3'::xid) - f.age, age('3'::xid) - o.age), 0),
	least(m.age, s.age, n.age, f.age, o.age, (select age(k.xmin) from pg_cast k order by k.oid desc limit 1)), null
from (select sum(hashtextextended(concat_ws(' ', m.roleid, m.member, m.xmin, m.ctid), 0)) as print, min(age(m.xmin)) as age from pg_auth_members m) as m,
	(select sum(hashtextextended(concat_ws(' ', s.setdatabase, s.setrole, s.xmin, s.ctid), 0)) as print, min(age(s.xmin)) as age from pg_db_role_setting s) as s,
	(select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) as print, min(age(n.xmin)) as age from pg_namespace n where n.nspname !~ '^pg_(toast_)?temp_') as n,
	(select max(f.oid) as oid, min(age(f.xmin)) as age from pg_proc f where f.oid >= 16384) as f,
	(select max(o.oid) as oid, min(age(o.xmin)) as age from pg_operator o where o.oid >= 16384) as o
union all
select 'now', coalesce((select s.catalog_xmin::text::oid from pg_replication_slots s where ` + slotsWhere + ` order by age(s.catalog_xmin) desc limit 1), 0::oid),
	(extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint, coalesce((select max(age(s.catalog_xmin)) from pg_replication_slots s where ` + slotsWhere + `), 0),
	concat_ws(' ', pg_current_snapshot()::text, case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end)
union all
select 'latest', 0::oid, 0, age('3'::xid), null
union all
select 'traceless', 0::oid, hashtextextended(concat_ws(' ',
	(select sum(hashtextextended(concat_ws(' ', r.oid, r.rolsuper, r.rolinherit, r.rolbypassrls), 0)) from pg_roles r where r.rolsuper or r.rolbypassrls or not r.rolinherit),
	(select sum(hashtextextended(concat_ws(' ', m.roleid, m.member), 0)) from pg_auth_members m),
	(select sum(hashtextextended(concat_ws(' ', s.setdatabase, s.setrole), 0)) from pg_db_role_setting s),
	(select sum(hashtextextended(p.oid::text, 0)) from pg_policy p),
	(select sum(hashtextextended(n.oid::text, 0)) from pg_constraint n where n.contypid > 0)), 0), null, null`

const slotsWhere = `s.database = current_database() and s.catalog_xmin is not null`

// compare orders objects by kind and OID.
func (d dependency) compare(o dependency) int {
	return cmp.Or(cmp.Compare(d.kind, o.kind), cmp.Compare(d.oid, o.oid))
}

// isNarrow reports whether the object stands for less than what facts are read from.
func (d dependency) isNarrow() bool {
	return d.kind == dependAccess || d.kind == dependRole || d.kind == dependSchema
}

// decidesAccess reports whether access may depend on objects of the kind.
func (d dependency) decidesAccess() bool { return d.kind != DependRelation && d.kind != dependRest }

// dependencies is the objects that answers depend on.
type dependencies []dependency

// of lists the OIDs of a kind.
func (ds dependencies) of(kind Kind) (oids []uint32) {
	for _, d := range ds {
		if d.kind == kind {
			oids = append(oids, d.oid)
		}
	}
	return oids
}

// add adds objects of a kind.
func (ds dependencies) add(kind Kind, oids []uint32) dependencies {
	for _, oid := range oids {
		ds = append(ds, dependency{kind, oid})
	}
	return ds
}

// args returns the arguments of sightSQL.
func (ds dependencies) args() []any {
	return []any{ds.of(DependRelation), ds.of(DependFunction), ds.of(DependType), ds.of(dependRole), ds.of(dependSchema), ds.of(dependAccess)}
}

// access lists what decides who has access. Functions, types and other tables do only
// where policies decide about rows.
func (ds dependencies) access(rowSecurity bool) (all dependencies) {
	for _, d := range ds {
		switch {
		case d.kind == DependRelation:
			all = append(all, dependency{dependAccess, d.oid})
		case rowSecurity || d.kind == dependRole || d.kind == dependSchema:
			all = append(all, d)
		}
	}
	return all
}

// sight is the fingerprints that were found when the catalog was read or looked at.
type sight struct {
	prints prints
	ages   map[dependency]int32 // the age of the newest catalog row, in transactions
	more   map[dependency]string

	at        time.Time // when it was asked for
	snapshot  wal.Snapshot
	flushed   wal.LSN // up to where Postgres had flushed its WAL, just after
	traceless int64   // of what leaves nothing in the catalog when it goes
	latest    uint32  // the transaction with age 0
	started   int64   // when the server was started, in microseconds since 1970
	// held is the oldest catalog_xmin of the database's logical slots: all
	// transactions before it had ended at a position that the slots have passed.
	// heldAge is its age in transactions, 0 without a slot.
	held    uint32
	heldAge int32
}

// read takes the rows of sightSQL.
func (s *sight) read(rows pgx.Rows) error {
	s.prints, s.ages, s.more = prints{}, map[dependency]int32{}, map[dependency]string{}
	var kind string
	var oid uint32
	var print int64
	var age *int32
	var more *string
	_, err := pgx.ForEachRow(rows, []any{&kind, &oid, &print, &age, &more}, func() (err error) {
		switch d := (dependency{Kind(kind), oid}); {
		case kind == "now":
			s.held, s.heldAge, s.started = oid, *age, print
			snapshot, flushed, _ := strings.Cut(*more, " ")
			if s.snapshot, err = wal.ParseSnapshot(snapshot); err == nil {
				s.flushed, err = wal.ParseLSN(flushed)
			}
		case kind == "latest":
			s.latest = uint32(*age) + 3
		case kind == "traceless":
			s.traceless = print
		default:
			if s.prints[d] = print; age != nil {
				s.ages[d] = *age
			}
			if more != nil {
				s.more[d] = *more
			}
		}
		return err
	})
	return err
}

// dependenciesSQL lists what access to a relation, and its types, depend on: it and
// its ancestors, the functions of its policies and those that these name, the types of
// its policies, the types of its columns with those below them, access to other relations
// that its policies read, the role and the schema.
const dependenciesSQL = `select depends.kind, unnest(depends.oids) from (values
	('` + string(DependRelation) + `', array(select $1::oid union select relid::oid from pg_partition_ancestors($1::oid::regclass))),
	('` + string(DependFunction) + `', array(with recursive called (oid) as (
		select d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
			where p.polrelid = $1 and d.refclassid = 'pg_proc'::regclass
		union select g.oid from called join pg_proc f on f.oid = called.oid join pg_proc g on g.oid >= 16384
			where f.oid >= 16384 and (strpos(lower(f.prosrc), lower(g.proname)) > 0 or exists (select from pg_depend d
				where d.classid = 'pg_proc'::regclass and d.objid = f.oid and d.refclassid = 'pg_proc'::regclass and d.refobjid = g.oid)))
		select called.oid from called
		union select unnest(array['current_setting(text)', 'current_setting(text,boolean)']::regprocedure[])::oid)),
	('` + string(DependType) + `', array(with recursive used (oid) as (
		select a.atttypid from pg_attribute a where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
		union select d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
			where p.polrelid = $1 and d.refclassid = 'pg_type'::regclass
		union select below.oid from used join pg_type t on t.oid = used.oid
			left join pg_attribute f on f.attrelid = t.typrelid and f.attnum > 0
			left join pg_range g on g.rngtypid = t.oid
			cross join lateral unnest(array[t.typelem, t.typbasetype, f.atttypid, g.rngsubtype]) as below (oid)
		where below.oid <> 0)
	select used.oid from used where used.oid >= 16384)),
	('` + string(dependAccess) + `', array(select d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
		where p.polrelid = $1 and d.refclassid = 'pg_class'::regclass and d.refobjid <> $1
		except select relid::oid from pg_partition_ancestors($1::oid::regclass))),
	('` + string(dependRole) + `', array(select r.oid from pg_roles r where r.rolname = $2)),
	('` + string(dependSchema) + `', array(select c.relnamespace from pg_class c where c.oid = $1))) as depends (kind, oids)`

// scanDependency reads a row of dependenciesSQL or listedSQL.
func scanDependency(row pgx.CollectableRow) (d dependency, err error) {
	err = row.Scan(&d.kind, &d.oid)
	return d, err
}

// readSight reads the fingerprints of dependencies, over a session whose search_path
// is catalogPath.
func readSight(ctx context.Context, conn *pgx.Conn, of dependencies) (*sight, error) {
	found := &sight{at: time.Now()}
	rows, err := conn.Query(ctx, sightSQL, of.args()...)
	if err != nil {
		return nil, fmt.Errorf("look at the catalog: %w", err)
	}
	if err := found.read(rows); err != nil {
		return nil, fmt.Errorf("look at the catalog: %w", err)
	}
	return found, nil
}
