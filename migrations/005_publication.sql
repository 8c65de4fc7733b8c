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
end $$;
