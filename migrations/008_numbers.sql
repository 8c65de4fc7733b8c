-- A number that no double holds, as 1e400, ends the sockets of clients whose parser
-- refuses it. Such a message would be delivered to nobody.
create or replace function realtime.send(payload jsonb, event text, topic text, private boolean default true) returns void
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
	-- From 2^1024 - 2^970 on a number is rounded to infinity.
	elsif jsonb_path_exists(payload, 'strict $.** ? (@ >= 179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792 || @ <= -179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904174497792)') then
		raise exception 'message "%" to topic "%": payload has a number that a double cannot hold', event, topic
			using errcode = 'numeric_value_out_of_range', hint = 'Send it as text: to_jsonb(n::text).';
	end if;
	if not payload ? 'id' then
		payload := payload || jsonb_build_object('id', message_id);
	end if;
	perform set_config('realtime.topic', topic, true);
	insert into realtime.messages (id, payload, event, topic, private, extension)
	values (message_id, payload, event, topic, private, 'broadcast');
end $$;
