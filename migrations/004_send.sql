-- The topic that a policy or trigger is asked about: that of the channel being
-- checked, or of the message that this transaction sent last.
create function realtime.topic() returns text
language sql stable
as $$ select nullif(current_setting('realtime.topic', true), '') $$;

-- Raises what would otherwise be a message that nobody gets. An error and not a
-- warning: a caller that can do without the message can catch it; with a warning it
-- would be lost unseen.
create function realtime.walcast_check_message(event text, topic text, private boolean) returns void
language plpgsql stable
as $$
begin
	if topic is null or topic = '' then
		raise exception 'message without a topic' using errcode = 'null_value_not_allowed',
			hint = 'The topic is what clients pass to channel().';
	elsif event is null then
		raise exception 'message to topic "%" without an event', topic using errcode = 'null_value_not_allowed',
			hint = 'The event is what clients listen for.';
	elsif private is null then
		raise exception 'message to topic "%" that is neither private nor public', topic using errcode = 'null_value_not_allowed',
			hint = 'Pass true for channels with private: true, false for others.';
	elsif topic like 'realtime:%' then
		raise warning 'message to topic "%": clients who call channel(''%'') do not get it', topic, substr(topic, 10)
			using hint = 'Leave out the prefix "realtime:".';
	end if;
end $$;

-- Sends a message to the clients on a topic, when the transaction commits. The
-- sender needs a policy for insert on realtime.messages, unless it bypasses
-- row-level security. The payload gets a key "id" unless it has one.
--
-- No exception block, here and below: each would cost a subtransaction, and
-- triggers on many rows would overflow the server's cache of these. No
-- search_path either: it would apply to the functions that policies call.
create function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql
as $$
declare
	message_id constant uuid := gen_random_uuid();
begin
	perform realtime.walcast_check_message(event, topic, private);
	if payload is null or jsonb_typeof(payload) <> 'object' then
		raise exception 'message "%" to topic "%": payload is %, not a JSON object', event, topic,
			case when payload is null then 'null' else 'a JSON ' || jsonb_typeof(payload) end
			using errcode = 'invalid_parameter_value', hint = 'Wrap it: jsonb_build_object(''data'', ...).';
	end if;
	if not payload ? 'id' then
		payload := payload || jsonb_build_object('id', message_id);
	end if;
	perform set_config('realtime.topic', topic, true);
	insert into realtime.messages (id, payload, event, topic, private, extension)
	values (message_id, payload, event, topic, private, 'broadcast');
end $$;

-- The same with bytes, which arrive as they are.
create function realtime.send_binary(payload bytea, event text, topic text, private boolean default true) returns void
language plpgsql
as $$
begin
	perform realtime.walcast_check_message(event, topic, private);
	if payload is null then
		raise exception 'message "%" to topic "%": payload is null', event, topic
			using errcode = 'null_value_not_allowed';
	end if;
	perform set_config('realtime.topic', topic, true);
	insert into realtime.messages (binary_payload, event, topic, private, extension)
	values (payload, event, topic, private, 'broadcast');
end $$;

-- For row triggers: sends the row before and after, privately. A trigger that
-- fires for users needs a policy for them, or a function that is security
-- definer.
create function realtime.broadcast_changes(
	topic_name text, event_name text, operation text, table_name text, table_schema text,
	new record, old record, level text default 'ROW'
) returns void
language plpgsql
as $$
begin
	if level = 'STATEMENT' then
		raise exception 'Failed to process the row: function can only be triggered for each row, not for each statement';
	elsif operation is null or operation not in ('INSERT', 'UPDATE', 'DELETE') then
		raise exception 'Failed to process the row: Unexpected operation type: %', operation;
	end if;
	perform realtime.send(
		jsonb_build_object('old_record', old, 'record', new, 'operation', operation, 'table', table_name, 'schema', table_schema),
		event_name, topic_name);
end $$;
