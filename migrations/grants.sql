-- What the roles of clients may do; policies say with which rows. Roles that do
-- not exist are passed over: run this again when they do.
do $$
declare
	r name;
begin
	for r in select rolname from pg_roles where rolname in ('anon', 'authenticated', 'service_role') loop
		execute format('grant usage on schema realtime to %I', r);
		execute format('grant select, insert, update on realtime.messages to %I', r);
	end loop;
end $$;
