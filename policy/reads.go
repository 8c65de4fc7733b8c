package policy

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// Reads is what a role's policies for a table read beside the row and the subject, as far
// as Postgres says. A compiled policy reads nothing else.
type Reads struct {
	// Relations are the tables, by OID, whose changes a reader of the WAL can see. It is
	// not known here which of them are published.
	Relations []uint32
	// Hidden names what else they read, of which nothing tells that it has changed: the
	// clock, settings, what functions read, tables whose rows are in others.
	Hidden []string

	functions []uint32 // that they call, directly or not
}

// dependencies are the objects that the answer depends on, beside those of the table.
func (r *Reads) dependencies() dependencies {
	return dependencies{}.add(DependRelation, r.Relations).add(DependFunction, r.functions)
}

// clocks are functions of Postgres that are not volatile and whose result still changes by
// itself.
const clocks = `'now', 'transaction_timestamp', 'statement_timestamp', 'age', 'pg_has_role', 'txid_current_if_assigned', 'txid_current_snapshot',
	'pg_current_snapshot', 'pg_current_xact_id_if_assigned', 'query_to_xml', 'table_to_xml', 'schema_to_xml', 'database_to_xml', 'cursor_to_xml'`

// readsSQL follows what the policies name: tables, the views among them and the policies
// of these tables, and functions. What a function reads is not noted by Postgres: it counts
// for hidden unless it is immutable, or SQL without FROM. Postgres' own tables and functions
// are noted nowhere, so that the texts are searched for them.
const readsSQL = `
	with recursive seen (class, oid) as (
		select 'pg_policy'::regclass::oid, p.oid from pg_policy p, pg_roles r where ` + policiesWhere + `
		union select n.class, n.oid from seen s cross join lateral (
			select d.refclassid as class, d.refobjid as oid from pg_depend d
				where s.class in ('pg_policy'::regclass, 'pg_rewrite'::regclass) and d.classid = s.class and d.objid = s.oid
				and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
			union all select 'pg_policy'::regclass, p.oid from pg_policy p
				where s.class = 'pg_class'::regclass and p.polrelid = s.oid and s.oid <> $2 and p.polcmd in ('r', '*') and p.polqual is not null
			union all select 'pg_rewrite'::regclass, w.oid from pg_rewrite w where s.class = 'pg_class'::regclass and w.ev_class = s.oid
		) as n
	), tables as (
		select c.oid, c.relkind = 'r' and not exists (select from pg_inherits i where i.inhparent = c.oid or i.inhrelid = c.oid)
			and n.nspname not in ('pg_catalog', 'information_schema') and c.relpersistence = 'p' as traced, format('%I.%I', n.nspname, c.relname) as name
		from seen s join pg_class c on c.oid = s.oid join pg_namespace n on n.oid = c.relnamespace
		where s.class = 'pg_class'::regclass and c.oid <> $2 and c.relkind <> 'v'
	), functions as (
		select f.oid, f.prosrc, format('%I.%I', n.nspname, f.proname) as name, f.provolatile = 'i' as fixed,
			l.lanname = 'sql' and f.prosqlbody is null and f.prosrc !~* '\mfrom\M' as plain
		from seen s join pg_proc f on f.oid = s.oid join pg_namespace n on n.oid = f.pronamespace join pg_language l on l.oid = f.prolang
		where s.class = 'pg_proc'::regclass
	), texts (text) as (
		select pg_get_expr(p.polqual, p.polrelid) from seen s join pg_policy p on p.oid = s.oid where s.class = 'pg_policy'::regclass
		union all select pg_get_viewdef(w.ev_class) from seen s join pg_rewrite w on w.oid = s.oid where s.class = 'pg_rewrite'::regclass
		union all select prosrc from functions where plain and not fixed
	), hidden (name) as (
		select 'table ' || name from tables where not traced
		union select 'function ' || name from functions where not plain and not fixed
		union select m.found[1] || '()' from texts cross join lateral regexp_matches(lower(text), '([a-z_][a-z0-9_]*)\s*\(', 'g') as m (found)
			where exists (select from pg_proc f where f.proname = m.found[1] and f.pronamespace = 'pg_catalog'::regnamespace
				and (f.provolatile = 'v' or f.proname in (` + clocks + `)))
		union select upper(m.found[1]) from texts cross join lateral regexp_matches(lower(text), '\m(current_timestamp|current_date|current_time|localtimestamp|localtime)\M', 'g') as m (found)
		union select 'settings' from texts where lower(text) ~ 'current_setting\s*\((?!\s*''request\.)'
		union select 'the catalog' from texts where lower(text) ~ '\m(from|join)\s+\(*(pg_|information_schema\.)'
	)
	select array(select oid from tables where traced order by 1), array(select oid from functions where oid >= 16384 order by 1), array(select name from hidden order by 1)`

// scanReads reads the only row of readsSQL.
func scanReads(into *Reads) func(pgx.Rows) error {
	return scanOne(&into.Relations, &into.functions, &into.Hidden)
}

// String names what is hidden.
func (r *Reads) String() string { return strings.Join(r.Hidden, ", ") }
