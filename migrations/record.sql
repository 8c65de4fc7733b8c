-- Everything that this transaction made, and did not only alter. Partitions go with
-- their table.
insert into realtime.walcast_migrations (version, name, objects)
select %d, '%s', coalesce(array_agg(o.type || ' ' || o.identity order by o.type = 'schema' desc, made.oid), '{}')
from (
	select 'pg_namespace'::regclass as class, oid from pg_namespace
	where nspname = 'realtime' and xmin = pg_current_xact_id()::xid
	union all
	select 'pg_class', oid from pg_class
	where relnamespace = 'realtime'::regnamespace and relkind in ('r', 'p', 'v') and not relispartition and xmin = pg_current_xact_id()::xid
	union all
	select 'pg_proc', oid from pg_proc
	where pronamespace = 'realtime'::regnamespace and xmin = pg_current_xact_id()::xid
	union all
	select 'pg_publication', oid from pg_publication
	where pubname = 'supabase_realtime_messages_publication' and xmin = pg_current_xact_id()::xid
) made, pg_identify_object(made.class, made.oid, 0) o
where o.type || ' ' || o.identity <> all (select unnest(objects) from realtime.walcast_migrations);
