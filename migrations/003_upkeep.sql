-- Keeps the daily partitions of realtime.messages: makes those from the day
-- before `at` to `ahead` days after it, and drops those that are older than
-- `keep` (null: none). The server calls it every few hours; a
-- database without a server can have pg_cron do it.
--
-- Each row is one partition and what was done: "created", "dropped", "trimmed"
-- (old rows deleted from the default partition), or why nothing was done:
-- "occupied" (the default partition has rows of that day, so they and later
-- ones stay there), "busy" (locked by others; that and the rest next time),
-- "refused" (this role may not).
create function realtime.walcast_upkeep(
	at timestamptz default now(), ahead int default 7, keep interval default '72 hours'
) returns table (partition_name text, done text)
language plpgsql
set search_path = pg_catalog
-- A statement that waits for a lock on messages makes all senders wait behind it.
set lock_timeout = '1s'
as $$
declare
	today  constant date := (at at time zone 'UTC')::date;
	oldest constant date := ((at - keep) at time zone 'UTC')::date;
	-- Of messages: it may be a role that the caller is only a member of.
	owner  constant name := (select pg_get_userbyid(relowner) from pg_class where oid = 'realtime.messages'::regclass);
	day    date;
begin
	-- One is enough, of several nodes and cron.
	if not pg_try_advisory_xact_lock(hashtextextended('walcast.migrations', 0)) then
		return;
	end if;

	for day in select generate_series(today - 1, today + ahead, interval '1 day')::date loop
		partition_name := 'messages_' || to_char(day, 'YYYY_MM_DD');
		continue when to_regclass('realtime.' || partition_name) is not null;
		begin
			-- Attached, not created as a partition: that would lock out senders.
			execute format('create table realtime.%I (like realtime.messages including all)', partition_name);
			execute format('alter table realtime.%I enable row level security', partition_name);
			if owner <> current_user then
				execute format('alter table realtime.%I owner to %I', partition_name, owner);
			end if;
			execute format('alter table realtime.messages attach partition realtime.%I for values from (%L) to (%L)',
				partition_name, day, day + 1);
			done := 'created';
		exception
			when check_violation then done := 'occupied';
			when lock_not_available then done := 'busy';
			when insufficient_privilege then done := 'refused';
		end;
		return next;
		if done = 'busy' then
			return;
		end if;
	end loop;

	if oldest is null then
		return;
	end if;
	delete from realtime.messages_default where inserted_at < oldest;
	if found then
		partition_name := 'messages_default';
		done := 'trimmed';
		return next;
	end if;
	for partition_name in
		select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = to_regclass('realtime.messages') and c.relname ~ '^messages_\d{4}_\d{2}_\d{2}$'
			and c.relname < 'messages_' || to_char(oldest, 'YYYY_MM_DD')
		order by c.relname
	loop
		begin
			execute format('drop table realtime.%I', partition_name);
			done := 'dropped';
		exception
			when lock_not_available then done := 'busy';
			when insufficient_privilege then done := 'refused';
		end;
		return next;
		if done = 'busy' then
			return;
		end if;
	end loop;
end $$;

revoke execute on function realtime.walcast_upkeep(timestamptz, int, interval) from public;
