-- The schema, and what was made in it: `walcast migrate --remove` takes back
-- the objects listed here and nothing else.
create schema realtime;

comment on schema realtime is
	'Messages, functions and policies for walcast; made by "walcast migrate", taken back by "walcast migrate --remove".';

create table realtime.walcast_migrations (
	version    int primary key,
	name       text not null,
	objects    text[] not null,
	applied_at timestamptz not null default now()
);

comment on column realtime.walcast_migrations.objects is
	'What the migration made, in order, each as kind and identity.';
