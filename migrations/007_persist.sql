-- What broadcasts need that clients ask to have kept: they are replayed until they
-- expire, and not sent again when they appear in the log. Names and types are those
-- of Supabase Realtime.
alter table realtime.messages
	add column skip_broadcast boolean not null default false,
	add column expires_at timestamp; -- in UTC; null for as long as the partition is there

-- The same view with them, for a server that reads and writes through it.
create or replace view realtime.walcast_messages with (security_barrier) as
	select topic, extension, payload, event, private, updated_at, inserted_at, id, binary_payload, ctid as place, skip_broadcast, expires_at
	from realtime.messages
	where current_user in (select role from realtime.walcast_serving)
	with cascaded check option;
