-- Messages sent from SQL, one partition a day (UTC), and the table that the
-- policies of private channels are written on. Names and columns are those of
-- Supabase Realtime: policies, triggers and clients refer to them.
create table realtime.messages (
	topic          text not null,
	extension      text not null,
	payload        jsonb,
	event          text,
	private        boolean default false,
	-- In UTC whatever the session's time zone, since partitions and replay are.
	updated_at     timestamp not null default (now() at time zone 'UTC'),
	inserted_at    timestamp not null default (now() at time zone 'UTC'),
	id             uuid not null default gen_random_uuid(),
	binary_payload bytea,
	primary key (id, inserted_at),
	constraint messages_payload_exclusive check (payload is null or binary_payload is null)
) partition by range (inserted_at);

-- Replay asks for the newest private messages of a topic.
create index messages_topic_inserted_at_index on realtime.messages (topic, inserted_at desc)
	where extension = 'broadcast' and private is true;

-- Without a policy nobody but the owner reads or writes.
alter table realtime.messages enable row level security;

-- A message never fails for want of a partition, even if nothing has kept them
-- ahead for weeks.
create table realtime.messages_default partition of realtime.messages default;
alter table realtime.messages_default enable row level security;
