-- The objects that Supabase Realtime keeps in its schema, as far as others meet
-- them, written anew after its documented names, columns and signatures. Run
-- as superuser; the roles may exist.
do $$
declare r text;
begin
	foreach r in array array['anon', 'authenticated', 'service_role', 'supabase_realtime_admin'] loop
		begin
			execute format('create role %I nologin noinherit', r);
		exception when duplicate_object or unique_violation then null;
		end;
	end loop;
end $$;

create schema realtime;
grant usage on schema realtime to anon, authenticated, service_role;
grant create, usage on schema realtime to supabase_realtime_admin;

create table realtime.schema_migrations (version bigint primary key, inserted_at timestamp(0));
insert into realtime.schema_migrations values (20211116024918, now()), (20260709120000, now());

create type realtime.action as enum ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERROR');
create table realtime.subscription (
	id bigint generated always as identity constraint pk_subscription primary key,
	subscription_id uuid not null,
	claims jsonb not null
);

create table realtime.messages (
	topic text not null,
	extension text not null,
	payload jsonb,
	event text,
	private boolean default false,
	updated_at timestamp without time zone not null default now(),
	inserted_at timestamp without time zone not null default now(),
	id uuid not null default gen_random_uuid(),
	binary_payload bytea,
	primary key (id, inserted_at)
) partition by range (inserted_at);
alter table realtime.messages enable row level security;
alter table realtime.messages owner to supabase_realtime_admin;
grant select, insert, update on realtime.messages to anon, authenticated, service_role;
create index messages_inserted_at_topic_index on realtime.messages (inserted_at desc, topic)
	where extension = 'broadcast' and private is true;
create policy members on realtime.messages for select to authenticated using (true);

create function realtime.topic() returns text language sql stable as
	$$ select nullif(current_setting('realtime.topic', true), '')::text $$;

create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql as $$
begin
	begin
		perform set_config('realtime.topic', topic, true);
		insert into realtime.messages (payload, event, topic, private, extension)
		values (payload, event, topic, private, 'broadcast');
	exception when others then
		raise warning 'WarnSendingBroadcastMessage: %', sqlerrm;
	end;
end $$;

create function realtime.send_binary(payload bytea, event text, topic text, private boolean default true) returns void
language plpgsql as $$ begin perform 1; end $$;

create function realtime.broadcast_changes(
	topic_name text, event_name text, operation text, table_name text, table_schema text,
	new record, old record, level text default 'ROW'
) returns void language plpgsql as $$ begin perform 1; end $$;

create publication supabase_realtime_messages_publication for table realtime.messages;
