-- The statements that give role $1 what the server needs and it does not have, most
-- basic first. $2 is whether walcast made the schema realtime: in one that somebody
-- else made, the owner of realtime.messages may do everything that is needed.
with me as (select oid, rolname, rolsuper, rolreplication, rolinherit from pg_roles where rolname = $1),
rds as (select oid from pg_roles where rolname = 'rds_replication'),
messages as (select oid, relowner from pg_class where oid = to_regclass('realtime.messages'))
select statement from (
	select 1, case when exists (select from rds) then format('grant rds_replication to %I', me.rolname)
			else format('alter role %I replication', me.rolname) end
		from me where not rolsuper and not rolreplication and not exists (select from rds where pg_has_role(me.oid, rds.oid, 'member'))
	union all
	select 2, format('grant connect on database %I to %I', current_database(), me.rolname)
		from me where not has_database_privilege(me.oid, current_database(), 'connect')
	union all
	-- From 16 on a member may not become the role if the membership says so, as that of
	-- whoever has created the role does.
	select 3, format('grant %I to %I', r.rolname, me.rolname) || case when pg_has_role(me.oid, r.oid, 'member') then ' with set true' else '' end
		from me, pg_roles r
		where r.rolname in ('anon', 'authenticated', 'service_role') and r.oid <> me.oid
			and not pg_has_role(me.oid, r.oid, case when current_setting('server_version_num')::int >= 160000 then 'set' else 'member' end)
	union all
	select 4, format('grant usage on schema realtime to %I', me.rolname)
		from me, pg_namespace n where n.nspname = 'realtime' and not has_schema_privilege(me.oid, n.oid, 'usage')
	union all
	select 5, unnest(array[
			format('insert into realtime.walcast_serving values (%L) on conflict do nothing', me.rolname),
			format('grant select, insert on realtime.walcast_messages to %I', me.rolname),
			format('grant execute on function realtime.walcast_keep(timestamptz, int, interval) to %I', me.rolname)])
		from me, messages where $2 and not pg_has_role(me.oid, messages.relowner, 'usage')
	union all
	-- A role that inherits nothing has the rights of those that it is a member of only
	-- after SET ROLE. From 16 on that is said of each membership.
	select 6, unnest(case when current_setting('server_version_num')::int >= 160000
			then array[format('grant %I to %I with inherit true', owner.rolname, me.rolname)]
			else array[format('grant %I to %I', owner.rolname, me.rolname)] || case when me.rolinherit then '{}'::text[] else array[format('alter role %I inherit', me.rolname)] end
		end)
		from me, messages join pg_roles owner on owner.oid = messages.relowner
		where not $2 and not pg_has_role(me.oid, messages.relowner, 'usage')
) need (rank, statement)
order by rank
