-- For a server whose role neither owns these tables nor bypasses row-level
-- security: "walcast migrate --grant-to" lists the role here and grants it what
-- follows. The list is what counts, not the grants: somebody who grants the roles of
-- clients everything in this schema must not hand them all messages with it.
create table realtime.walcast_serving (role name primary key);

-- Without a policy nobody but the owner reads or writes.
alter table realtime.walcast_serving enable row level security;

-- All messages, whatever their policies say: to put one there and see whether a
-- client finds it, and to replay those that are stored. place tells the order of
-- those of one transaction.
create view realtime.walcast_messages with (security_barrier) as
	select topic, extension, payload, event, private, updated_at, inserted_at, id, binary_payload, ctid as place
	from realtime.messages
	where current_user in (select role from realtime.walcast_serving)
	with cascaded check option;

-- The role that runs this may have default privileges that grant it to clients.
do $$
declare
	r name;
begin
	revoke all on realtime.walcast_serving, realtime.walcast_messages from public;
	for r in select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
		execute format('revoke all on realtime.walcast_serving, realtime.walcast_messages from %I', r);
	end loop;
end $$;

-- walcast_upkeep with the rights of its owner.
create function realtime.walcast_keep(at timestamptz, ahead int, keep interval)
returns table (partition_name text, done text)
language plpgsql security definer
set search_path = pg_catalog
as $$
begin
	if not exists (select from realtime.walcast_serving where role = session_user) then
		raise exception 'role "%" does not serve this database', session_user using errcode = 'insufficient_privilege',
			hint = 'Run "walcast migrate --grant-to" with its name.';
	end if;
	return query select u.partition_name, u.done from realtime.walcast_upkeep(at, ahead, keep) u;
end $$;

revoke execute on function realtime.walcast_keep(timestamptz, int, interval) from public;
