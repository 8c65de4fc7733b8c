-- What the server needs of a realtime schema and does not find, most basic
-- first: the object, what does not work without it, the statement that helps.
with messages as (select to_regclass('realtime.messages') as oid)
select object, without, remedy
from messages, lateral (values
	(1, 'table realtime.messages', 'private channels and messages from SQL do not work',
		'', messages.oid is null),
	(2, 'row-level security of realtime.messages', 'everybody may join every private channel',
		'alter table realtime.messages enable row level security',
		not (select relrowsecurity from pg_class c where c.oid = messages.oid)),
	(3, 'function realtime.topic()', 'policies cannot ask for the topic',
		'', to_regprocedure('realtime.topic()') is null),
	(4, 'function realtime.send(jsonb, text, text, boolean)', 'SQL cannot send messages by it',
		'', to_regprocedure('realtime.send(jsonb,text,text,boolean)') is null),
	(5, 'function realtime.send_binary(bytea, text, text, boolean)', 'SQL cannot send bytes by it',
		'', to_regprocedure('realtime.send_binary(bytea,text,text,boolean)') is null),
	(6, 'function realtime.broadcast_changes(text, text, text, text, text, record, record, text)', 'triggers cannot send rows by it',
		'', to_regprocedure('realtime.broadcast_changes(text,text,text,text,text,record,record,text)') is null),
	(7, 'publication supabase_realtime_messages_publication', 'messages from SQL are not delivered',
		'create publication supabase_realtime_messages_publication for table realtime.messages with (publish = ''insert'', publish_via_partition_root = true)',
		not exists (select from pg_publication where pubname = 'supabase_realtime_messages_publication')),
	(8, 'realtime.messages in publication supabase_realtime_messages_publication', 'messages from SQL are not delivered',
		'alter publication supabase_realtime_messages_publication add table realtime.messages',
		exists (select from pg_publication p where pubname = 'supabase_realtime_messages_publication' and not puballtables
			and not exists (select from pg_publication_rel r where r.prpubid = p.oid and r.prrelid = messages.oid)))
) need (rank, object, without, remedy, missing)
where missing
union all
select 'column realtime.messages.' || name, 'messages that need it do not arrive', ''
from messages, unnest(array['topic', 'extension', 'payload', 'event', 'private', 'updated_at', 'inserted_at', 'id', 'binary_payload']) name
where messages.oid is not null
	and not exists (select from pg_attribute where attrelid = messages.oid and attname = name and not attisdropped)
