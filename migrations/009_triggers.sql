-- What a trigger sends must not keep the row from being written: the statement is the
-- application's, and its user can do nothing about the message. So what is an error to
-- a caller of these functions is a warning in a trigger, and no message.

-- Raises what would otherwise be a message that nobody gets, and returns the payload
-- as it is sent. A number that no double holds, as 1e400, ends the sockets of clients
-- whose parser refuses it; in a trigger, where it comes from a row, it is sent as text.
create function realtime.walcast_check_payload(payload jsonb, event text, topic text) returns jsonb
language plpgsql stable
as $$
begin
	if payload is null or jsonb_typeof(payload) <> 'object' then
		raise exception 'message "%" to topic "%": payload is %, not a JSON object', event, topic,
			case when payload is null then 'null' else 'a JSON ' || jsonb_typeof(payload) end
			using errcode = 'invalid_parameter_value', hint = 'Wrap it: jsonb_build_object(''data'', ...).';
	-- From 2^1024 - 2^970 on a number is rounded to infinity.
	elsif not jsonb_path_exists(payload, 'strict $.** ? (@ >= 179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792 || @ <= -179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792)') then
		return payload;
	elsif pg_trigger_depth() > 0 then
		return realtime.walcast_huge_as_text(payload);
	end if;
	raise exception 'message "%" to topic "%": payload has a number that a double cannot hold', event, topic
		using errcode = 'numeric_value_out_of_range', hint = 'Send it as text: to_jsonb(n::text).';
end $$;

-- The value with the numbers that no double holds as text.
create function realtime.walcast_huge_as_text(value jsonb) returns jsonb
language plpgsql immutable
as $$
begin
	case jsonb_typeof(value)
	when 'object' then
		return (select coalesce(jsonb_object_agg(e.key, realtime.walcast_huge_as_text(e.value)), '{}') from jsonb_each(value) e);
	when 'array' then
		return (select coalesce(jsonb_agg(realtime.walcast_huge_as_text(e.value) order by e.ordinality), '[]')
			from jsonb_array_elements(value) with ordinality e);
	when 'number' then
		if abs(value::numeric) >= 179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792 then
			return to_jsonb(value #>> '{}');
		end if;
	else
	end case;
	return value;
end $$;

-- Whether an error has to end the statement: outside of triggers every error, in them
-- those for which Postgres wants the whole transaction to be tried again.
create function realtime.walcast_ends(code text) returns boolean
language sql stable
as $$ select pg_trigger_depth() = 0 or code like '40%' $$;

-- Says that a message is not sent whose row is written all the same.
create function realtime.walcast_not_sent(event text, topic text, code text, message text, hint text) returns void
language plpgsql
as $$
begin
	raise warning 'message "%" to topic "%" is not sent: %', left(event, 100), left(topic, 100), left(message, 500)
		using errcode = code, hint = coalesce(nullif(hint, ''), 'The row is written all the same.');
end $$;

-- Stores a message, which sends it when the transaction commits. Only where it may fail
-- for want of a right is there an exception block: one in which something is written
-- costs a subtransaction, and triggers on many rows would overflow the server's cache of
-- these. Those that are around checks write nothing.
create function realtime.walcast_put(
	message_id uuid, payload jsonb, binary_payload bytea, event text, topic text, private boolean
) returns void
language plpgsql
as $$
declare
	told text;
begin
	if pg_trigger_depth() = 0 or not row_security_active('realtime.messages') and has_table_privilege('realtime.messages', 'insert') then
		perform set_config('realtime.topic', topic, true);
		insert into realtime.messages (id, payload, binary_payload, event, topic, private, extension)
		values (message_id, payload, binary_payload, event, topic, private, 'broadcast');
		return;
	end if;
	begin
		perform set_config('realtime.topic', topic, true);
		insert into realtime.messages (id, payload, binary_payload, event, topic, private, extension)
		values (message_id, payload, binary_payload, event, topic, private, 'broadcast');
	exception when others then
		if realtime.walcast_ends(sqlstate) then
			raise;
		end if;
		get stacked diagnostics told = pg_exception_hint;
		perform realtime.walcast_not_sent(event, topic, sqlstate, sqlerrm, coalesce(nullif(told, ''),
			'The role ' || current_user || ' needs INSERT on realtime.messages and a policy, or the trigger''s function has to be security definer.'));
	end;
end $$;

-- The same check, with the length that clients and the table's index can have.
create or replace function realtime.walcast_check_message(event text, topic text, private boolean) returns void
language plpgsql stable
as $$
begin
	if topic is null or topic = '' then
		raise exception 'message without a topic' using errcode = 'null_value_not_allowed',
			hint = 'The topic is what clients pass to channel().';
	elsif octet_length(topic) > 1024 then
		raise exception 'message to a topic of % bytes', octet_length(topic) using errcode = 'string_data_right_truncation',
			hint = 'A topic has at most 1024 bytes.';
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

create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
language plpgsql
as $$
declare
	message_id constant uuid := gen_random_uuid();
	told       text;
begin
	begin
		perform realtime.walcast_check_message(event, topic, private);
		payload := realtime.walcast_check_payload(payload, event, topic);
		if not payload ? 'id' then
			payload := payload || jsonb_build_object('id', message_id);
		end if;
	exception when others then
		if realtime.walcast_ends(sqlstate) then
			raise;
		end if;
		get stacked diagnostics told = pg_exception_hint;
		perform realtime.walcast_not_sent(event, topic, sqlstate, sqlerrm, told);
		return;
	end;
	perform realtime.walcast_put(message_id, payload, null, event, topic, private);
end $$;

create or replace function realtime.send_binary(payload bytea, event text, topic text, private boolean default true) returns void
language plpgsql
as $$
declare
	told text;
begin
	begin
		perform realtime.walcast_check_message(event, topic, private);
		if payload is null then
			raise exception 'message "%" to topic "%": payload is null', event, topic
				using errcode = 'null_value_not_allowed';
		end if;
	exception when others then
		if realtime.walcast_ends(sqlstate) then
			raise;
		end if;
		get stacked diagnostics told = pg_exception_hint;
		perform realtime.walcast_not_sent(event, topic, sqlstate, sqlerrm, told);
		return;
	end;
	perform realtime.walcast_put(gen_random_uuid(), null, payload, event, topic, private);
end $$;

-- A row may have what jsonb has not: a column of type json with \u0000 or with a number
-- of a million digits, or more than 256 MB. Misuse is an error, as the trigger works for no row.
create or replace function realtime.broadcast_changes(
	topic_name text, event_name text, operation text, table_name text, table_schema text,
	new record, old record, level text default 'ROW'
) returns void
language plpgsql
as $$
declare
	payload jsonb;
	told    text;
begin
	if level = 'STATEMENT' then
		raise exception 'Failed to process the row: function can only be triggered for each row, not for each statement';
	elsif operation is null or operation not in ('INSERT', 'UPDATE', 'DELETE') then
		raise exception 'Failed to process the row: Unexpected operation type: %', operation;
	end if;
	begin
		payload := jsonb_build_object('old_record', old, 'record', new, 'operation', operation, 'table', table_name, 'schema', table_schema);
	exception when others then
		if realtime.walcast_ends(sqlstate) then
			raise;
		end if;
		get stacked diagnostics told = pg_exception_hint;
		perform realtime.walcast_not_sent(event_name, topic_name, sqlstate, sqlerrm, told);
		return;
	end;
	perform realtime.send(payload, event_name, topic_name);
end $$;
