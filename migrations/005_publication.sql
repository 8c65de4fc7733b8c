-- What the server reads messages by. An update or delete of a message is no
-- news, and one table in the stream is simpler to read than one a day.
do $$
begin
	if exists (select from pg_publication where pubname = 'supabase_realtime_messages_publication') then
		-- Left by another server; dropping the table takes it out again.
		alter publication supabase_realtime_messages_publication add table realtime.messages;
	else
		create publication supabase_realtime_messages_publication for table realtime.messages
			with (publish = 'insert', publish_via_partition_root = true);
	end if;
	-- A server that runs reads the publication from this mark on. Where this role may
	-- write none, the server does, some seconds later.
	if (select bool_and(has_function_privilege(p.oid, 'execute')) from pg_catalog.pg_proc p
			where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = 'pg_logical_emit_message') then
		perform pg_catalog.pg_logical_emit_message(true, 'walcast', 'publication supabase_realtime_messages_publication');
	end if;
end $$;
