-- What `walcast dev` starts with. It may run again on a kept database.

create table if not exists messages (
	id         bigint generated always as identity primary key,
	channel_id bigint not null,
	author     text not null default 'psql',
	body       text not null,
	sent_at    timestamptz not null default now()
);
-- What a page calls a message that it sends, before it has an id.
alter table messages add column if not exists ref uuid not null default gen_random_uuid();
-- Without the full old row, a DELETE could not be matched by channel_id.
alter table messages replica identity full;

create table if not exists todos (
	id    bigint generated always as identity primary key,
	owner uuid not null default auth.uid(),
	title text not null,
	done  boolean not null default false
);
alter table todos enable row level security;
drop policy if exists "owners see and change their own" on todos;
create policy "owners see and change their own" on todos for all to authenticated
	using (owner = auth.uid()) with check (owner = auth.uid());

grant select on messages to anon, authenticated;
grant insert, update, delete on messages to authenticated;
grant select, insert, update, delete on todos to authenticated;
grant all on messages, todos to service_role;

do $$
begin
	create publication supabase_realtime for table messages, todos;
exception when duplicate_object then null;
end $$;
