package policy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/conninfo"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// Settings in which a transaction keeps the session's own search_path.
const (
	ownPath    = "walcast.search_path"
	ownSchemas = "walcast.schemas"
)

const sessionSQL = `select current_setting('` + ownPath + `'), current_setting('server_encoding'),
	concat(current_setting('request.jwt.claim', true), current_setting('request.jwt.claim.sub', true),
		current_setting('request.jwt.claim.role', true), current_setting('request.jwt.claim.email', true)) <> '',
	coalesce((select has_function_privilege(oid, 'pg_catalog.current_setting(text, boolean)', 'EXECUTE')
			and has_function_privilege(oid, 'pg_catalog.current_setting(text)', 'EXECUTE')
		from pg_catalog.pg_roles where rolname = $1), false),
	(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text`

// beginPinned begins a transaction in which catalog queries mean the same, and
// expressions print the same, whatever the session has set. It keeps the search_path that
// code of users counts on. While that is in effect it qualifies all names and uses no
// operators, as somebody may have made better fitting ones in one of its schemas.
const beginPinned = "begin isolation level repeatable read, read only; " + conninfo.OwnPathSQL + "; " + `
	select pg_catalog.set_config('` + ownPath + `', pg_catalog.current_setting('search_path'), true),
		pg_catalog.set_config('` + ownSchemas + `', pg_catalog.current_schemas(false)::pg_catalog.text, true),
		pg_catalog.set_config('search_path', '` + catalogPath + `', true),
		pg_catalog.set_config('DateStyle', 'ISO, YMD', true), pg_catalog.set_config('TimeZone', 'UTC', true),
		pg_catalog.set_config('IntervalStyle', 'postgres', true), pg_catalog.set_config('extra_float_digits', '1', true),
		pg_catalog.set_config('bytea_output', 'hex', true), pg_catalog.set_config('standard_conforming_strings', 'on', true),
		pg_catalog.set_config('quote_all_identifiers', 'off', true)`

// catalogPath is the path of our own statements.
const catalogPath = conninfo.CatalogPath

// runPathSQL returns the search_path under which policies are asked about, see
// session.RunPath, and sets the one under which they are printed. That has no schema but
// pg_catalog, so that all else is named with its schema, and a table that somebody makes
// later in an earlier schema is not read instead. Where one of the schemas has a function or
// an operator of the name of one of Postgres', which might fit a call better, policies are
// printed as they are parsed.
const runPathSQL = `select run.path, run.whole, set_config('search_path', case
	when exists (select from pg_proc f join pg_proc c on c.proname = f.proname and c.pronamespace = 'pg_catalog'::regnamespace where f.pronamespace = any(run.schemas))
		or exists (select from pg_operator f join pg_operator c on c.oprname = f.oprname and c.oprnamespace = 'pg_catalog'::regnamespace where f.oprnamespace = any(run.schemas))
	then run.path else '` + catalogPath + `' end, true)
from (
	select array_agg(s.oid) filter (where s.trusted) as schemas, 'pg_catalog' || coalesce(string_agg(', ' || quote_ident(s.nspname), '' order by s.number) filter (where s.trusted), '') || ', pg_temp' as path,
		coalesce(bool_and(s.trusted), true) as whole
	from (
		select n.oid, n.nspname, w.number, not exists (
			select from (select n.nspowner as grantee union all
				select a.grantee from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) as a where a.privilege_type = 'CREATE') as maker
			left join pg_roles r on r.oid = maker.grantee
			where not coalesce(r.rolsuper or r.rolname = 'pg_database_owner', false)
				and maker.grantee not in (select c.relowner from pg_class c where c.oid = $1 union all
					select d.datdba from pg_database d where d.datname = current_database())) as trusted
		from unnest(current_setting('` + ownSchemas + `')::name[]) with ordinality as w (name, number)
		join pg_namespace n on n.nspname = w.name
		where n.nspname <> 'pg_catalog' and has_schema_privilege((select r.oid from pg_roles r where r.rolname = $2), n.oid, 'USAGE')
	) as s
) as run`

// accessSQL says whether our user may become the role, what the role is granted, and
// whether row-level security applies to it. What may be set is decided by the user that
// has logged in, whatever role is set for it. As in check_enable_rls it does not apply
// to superusers, to roles with BYPASSRLS and, unless it is forced, to roles with the
// owner's privileges. For a column that was renamed or dropped since the row was
// written only a grant on the whole table counts.
const accessSQL = `select r.oid is not null,
	coalesce(pg_has_role(u.name, r.oid, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end), false),
	coalesce(pg_has_role(u.name, r.oid, 'MEMBER'), false), u.name, u.acting,
	c.oid is not null, coalesce(n.nspname, ''), coalesce(c.relname, ''),
	coalesce(c.relrowsecurity and not r.rolsuper and not r.rolbypassrls
		and (c.relforcerowsecurity or not pg_has_role(r.oid, c.relowner, 'USAGE')), true),
	coalesce(has_schema_privilege(r.oid, c.relnamespace, 'USAGE'), false),
	exists (select from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_type'::regclass
		join pg_type t on t.oid = d.refobjid left join pg_type e on e.oid = t.typelem and t.typlen = -1
		where p.polrelid = c.oid and coalesce(e.typtype, t.typtype) not in ('b', 'e')),
	array(select coalesce(has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT'), has_table_privilege(r.oid, c.oid, 'SELECT'), false)
		from unnest($3::text[]) with ordinality as w(name, number)
		left join pg_attribute a on a.attrelid = c.oid and a.attname = w.name and a.attnum > 0 and not a.attisdropped
		order by w.number)
from (select session_user as name, current_user as acting) as u
left join pg_roles r on r.rolname = $1
left join pg_class c on c.oid = $2
left join pg_namespace n on n.oid = c.relnamespace`

const attributesSQL = `select a.attname, a.attnum, t.typtype = 'd', a.attstorage <> 'p', coalesce(l.collisdeterministic, true),
	coalesce((select format('operator(%I.%s)', n.nspname, o.oprname)
		from pg_index i cross join unnest(i.indkey::int2[], i.indclass::oid[]) as k (attnum, class)
		join pg_opclass c on c.oid = k.class
		join pg_amop m on m.amopfamily = c.opcfamily and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype and m.amopstrategy = 3
		join pg_operator o on o.oid = m.amopopr join pg_namespace n on n.oid = o.oprnamespace
		where i.indrelid = a.attrelid and i.indisprimary and k.attnum = a.attnum
			and has_schema_privilege((select r.oid from pg_roles r where r.rolname = $2), n.oid, 'USAGE')), '')
from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_collation l on l.oid = a.attcollation
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum`

// policiesSQL leaves out policies without USING, which only those for INSERT lack.
const policiesSQL = `select p.polname, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),
	array(select d.refobjsubid::int2 from pg_depend d where d.classid = 'pg_policy'::regclass and d.objid = p.oid
		and d.refclassid = 'pg_class'::regclass and d.refobjid = p.polrelid and d.refobjsubid <> 0)
from pg_policy p, pg_roles r
where ` + policiesWhere + `
order by p.polname`

const policiesWhere = `p.polrelid = $2 and r.rolname = $1 and p.polcmd in ('r', '*') and p.polqual is not null
	and (0 = any(p.polroles) or exists (select from unnest(p.polroles) as o(oid) where pg_has_role(r.oid, o.oid, 'USAGE')))`

// askedSQL prints the policies of policiesSQL in the same order.
const askedSQL = `select pg_get_expr(p.polqual, p.polrelid)
from pg_policy p, pg_roles r
where ` + policiesWhere + `
order by p.polname`

// namesSQL reads names: the schemas of the table, and of all that its policies name.
const namesSQL = `select array(select n.nspname::text from ` + namesFrom + ` where not has_schema_privilege(r.oid, n.oid, 'USAGE') order by 1),
	array(select n.nspname::text from ` + namesFrom + ` where not has_schema_privilege(u.name, n.oid, 'USAGE') order by 1),
	exists (select from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass
		join pg_class c on c.oid = d.refobjid where ` + policiesWhere + ` and c.oid <> p.polrelid and c.relrowsecurity)
from pg_roles r, (select current_user as name) as u where r.rolname = $1`

const namesFrom = `(
	select c.relnamespace as oid from pg_class c where c.oid = $2
	union select coalesce(c.relnamespace, f.pronamespace, t.typnamespace, o.oprnamespace, l.collnamespace)
	from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
	left join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid
	left join pg_proc f on d.refclassid = 'pg_proc'::regclass and f.oid = d.refobjid
	left join pg_type t on d.refclassid = 'pg_type'::regclass and t.oid = d.refobjid
	left join pg_operator o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
	left join pg_collation l on d.refclassid = 'pg_collation'::regclass and l.oid = d.refobjid
	where ` + policiesWhere + `) as named join pg_namespace n on n.oid = named.oid`

// functionsSQL reads the functions that the policies call, by name or as casts.
const functionsSQL = `select distinct n.nspname, f.proname, l.lanname, f.prosrc, f.prosqlbody is not null, f.prokind::text,
	f.provolatile::text, f.pronargs::int, f.proretset, coalesce(f.proconfig, '{}'), format_type(f.prorettype, null),
	f.prosecdef, has_function_privilege(r.oid, f.oid, 'EXECUTE')
from pg_policy p
join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
join pg_proc f on f.oid = d.refobjid
join pg_namespace n on n.oid = f.pronamespace
join pg_language l on l.oid = f.prolang
cross join pg_roles r
where ` + policiesWhere

// privilegesSQL is the identity of what functions of Postgres go by. These read the catalog
// as it is at the time, which may be newer than the transaction's snapshot.
const privilegesSQL = `select concat_ws(' ',
	(select sum(hashtextextended(concat_ws(' ', c.oid, c.xmin, c.ctid), 0)) from pg_class c where c.oid = any ($1)),
	(select sum(hashtextextended(concat_ws(' ', a.attrelid, a.attnum, a.xmin, a.ctid), 0)) from pg_attribute a where a.attrelid = any ($1) and a.attacl is not null),
	(select sum(hashtextextended(concat_ws(' ', p.oid, p.xmin, p.ctid), 0)) from pg_policy p where p.polrelid = any ($1)),
	(select sum(hashtextextended(concat_ws(' ', f.oid, f.xmin, f.ctid), 0)) from pg_proc f where f.oid = any ($2)),
	(select sum(hashtextextended(concat_ws(' ', n.oid, n.xmin, n.ctid), 0)) from pg_namespace n where n.oid = any ($3)),
	(select sum(hashtextextended(concat_ws(' ', m.roleid, m.member, m.xmin, m.ctid), 0)) from pg_auth_members m),
	(select sum(hashtextextended(concat_ws(' ', r.oid, r.rolsuper, r.rolinherit, r.rolbypassrls), 0)) from pg_roles r))`

func (ds dependencies) privileges(into *string) step {
	return step{sql: privilegesSQL, args: []any{ds.of(DependRelation), ds.of(DependFunction), ds.of(dependSchema)}, scan: scanOne(into)}
}

// errMoved means that what was read is not of one time.
var errMoved = errors.New("access has changed meanwhile")

// readMost is how often the catalog is read while it changes: for longer than the
// transactions that change it take, one after another.
const readMost = 12

// catalogReader is readCatalog, or what stands for it.
type catalogReader func(ctx context.Context, rel *wal.Relation, role string) (*facts, error)

// readOnce is readCatalog for all that one look has found changed. A table whose
// access changes often has many Relations in the log, and roles and schemas
// concern them all: what the catalog says of one of them it says of all that have
// the same columns.
func (t *tables) readOnce() catalogReader {
	type key struct {
		oid           uint32
		role, columns string
	}
	once := map[key]*facts{}
	return func(ctx context.Context, rel *wal.Relation, role string) (*facts, error) {
		k := key{rel.OID, role, fmt.Sprintf("%q", columnNames(rel))}
		if f := once[k]; f != nil {
			return f, nil
		}
		f, err := t.readCatalog(ctx, rel, role)
		if err == nil {
			once[k] = f
		}
		return f, err
	}
}

func columnNames(rel *wal.Relation) []string {
	names := make([]string, len(rel.Columns))
	for i, c := range rel.Columns {
		names[i] = c.Name
	}
	return names
}

// readCatalog reads the facts of a relation and a role. An *AskError is an answer of
// Postgres; any other error means that Postgres could not be asked.
func (t *tables) readCatalog(ctx context.Context, rel *wal.Relation, role string) (f *facts, err error) {
	pause := earlyFirst
	for range readMost {
		if f, err = t.readFacts(ctx, rel, role); !errors.Is(err, errMoved) || sleep(ctx, pause) != nil {
			break
		}
		pause = min(2*pause, earlyMost)
	}
	return f, err
}

// readFacts reads the facts in one transaction. It fails with errMoved if some may be
// newer than its snapshot: rows would be judged by a change that comes after them.
func (t *tables) readFacts(ctx context.Context, rel *wal.Relation, role string) (*facts, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*t.pg.config.Timeout)
	defer cancel()
	conn, err := t.pg.acquire(ctx, t.pg.pool)
	if err != nil {
		return nil, fmt.Errorf("read grants of %s: %w", granted(rel, role), err)
	}
	defer conn.Release()
	f, lsn := &facts{oid: rel.OID, role: roleFacts{Name: role}, sight: sight{at: time.Now()}}, ""
	var before, after string
	err = transactPinned(ctx, conn, []step{
		{sql: sessionSQL, args: []any{role}, scan: scanOne(&f.session.SearchPath, &f.session.Encoding,
			&f.session.ClaimSettings, &f.session.SettingReadable, &lsn)},
		{sql: accessSQL, args: []any{role, rel.OID, columnNames(rel)}, scan: scanOne(&f.role.Known, &f.role.Settable, &f.role.Member, &f.role.User, &f.role.Acting,
			&f.relation.Known, &f.relation.Schema, &f.relation.Table, &f.relation.RowSecurity, &f.relation.SchemaUsage, &f.policies.Literals, &f.relation.Selectable)},
		{sql: namesSQL, args: []any{role, rel.OID}, scan: scanOne(&f.names.Subject, &f.names.Own, &f.names.Secured)},
		{sql: attributesSQL, args: []any{rel.OID, role}, scan: scanAll(&f.relation.attributes, pgx.RowToStructByPos[attribute])},
		{sql: policiesSQL, args: []any{role, rel.OID}, scan: scanAll(&f.policies.stored, pgx.RowToStructByPos[policyRow])},
		{sql: functionsSQL, args: []any{role, rel.OID}, scan: scanAll(&f.policies.functions, scanFunction)},
		{sql: readsSQL, args: []any{role, rel.OID}, scan: scanReads(&f.reads)},
		{sql: dependenciesSQL, args: []any{rel.OID, role}, scan: scanAll(&f.depends, scanDependency)},
	}, func() []step {
		return []step{
			{sql: sightSQL, args: f.watched().args(), scan: f.sight.read},
			{sql: runPathSQL, args: []any{rel.OID, role}, scan: scanOne(&f.session.RunPath, &f.session.WholePath, nil)},
			{sql: askedSQL, args: []any{role, rel.OID}, scan: scanAll(&f.policies.asked, pgx.RowTo[string])},
			f.depends.privileges(&before),
		}
	})
	if err == nil {
		err = transactPinned(ctx, conn, []step{f.depends.privileges(&after)}, func() []step { return nil })
	}
	if err == nil && (before != after || len(f.policies.asked) != len(f.policies.stored)) {
		err = errMoved
	}
	if err == nil {
		f.lsn, err = wal.ParseLSN(lsn)
	}
	if pg, ok := postgresError(err); ok {
		raised := newAskError(granted(rel, role), pg)
		raised.Message = "its grants and policies cannot be read " + textInLog
		t.pg.noteRaised(raised, 1)
		return nil, raised
	}
	if err != nil {
		return nil, fmt.Errorf("read grants of %s: %w", granted(rel, role), err)
	}
	return f, nil
}

// granted names what grants are read of: of no relation are those of the role.
func granted(rel *wal.Relation, role string) string {
	if rel.OID == 0 {
		return "role " + role
	}
	return rel.Schema + "." + rel.Table
}

// scanOne reads the columns of the only row.
func scanOne(into ...any) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, into, func() error { return nil })
		return err
	}
}

// scanAll collects all rows.
func scanAll[S ~[]T, T any](into *S, row pgx.RowToFunc[T]) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, row)
		return err
	}
}

// scanFunction reads a row of functionsSQL.
func scanFunction(row pgx.CollectableRow) (d sql.Definition, err error) {
	err = row.Scan(&d.Schema, &d.Name, &d.Body.Language, &d.Body.Source, &d.Body.Parsed, &d.Signature.Kind,
		&d.Signature.Volatile, &d.Signature.Arguments, &d.Signature.Set, &d.Settings, &d.Signature.Returns,
		&d.Definer, &d.Executable)
	return d, err
}
