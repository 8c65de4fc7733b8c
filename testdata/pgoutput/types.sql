create extension hstore

create type mood as enum ('sad', 'ok', 'happy')

create domain posint as int check (value > 0)

create domain posints as posint[]

create domain mood_at_work as mood

create type pair as (a int, b text)

create type nested as ("the pair" pair, moods mood[], at timestamptz, raw bytea)

create table things (id int primary key, c_int2 int2, c_int8 int8, c_numeric numeric, c_numeric_s numeric(12,4), c_float4 float4, c_float8 float8, c_money money,
  c_text text, c_varchar varchar(40), c_char5 char(5), c_char1 char, c_bytea bytea, c_bool bool, c_date date, c_time time, c_timetz timetz, c_timestamp timestamp,
  c_timestamptz timestamptz, c_interval interval, c_uuid uuid, c_json json, c_jsonb jsonb, c_inet inet, c_cidr cidr, c_macaddr macaddr, c_int4_a int[], c_text_a text[],
  c_timestamptz_a timestamptz[], c_jsonb_a jsonb[], c_int4range int4range, c_multirange int4multirange, c_tsvector tsvector, c_enum mood, c_domain posint, c_composite pair,
  c_point point, c_box_a box[], c_xml xml, c_bit3 bit(3), c_varbit varbit, c_oid oid, c_oid_a oid[], c_bool_a bool[], c_bytea_a bytea[], c_name name, c_hstore hstore,
  c_enum_a mood[], c_domain_a posints, c_enum_domain mood_at_work, c_nested nested, c_nested_a nested[], c_oidvector oidvector)

insert into things values (1, -32768, 9223372036854775807, 123456789012345678901234567890.123456789, 1.5, 1.1, 0.1, '12.34',
  'plain', 'vc', 'ab', 'x', '\x00ff10', true, '2024-02-03', '04:05:06.7', '04:05:06+02', '2024-02-03 04:05:06.789012',
  '2024-02-03 04:05:06.789012+02', '1 year 2 days 03:00:00', '00000000-0000-4000-8000-000000000001', '{"b": 1, "a":  [1,2.50],
 "a2": null}', '{"b": 1, "a":  [1,2.50], "n": 1e3}', '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '{1,NULL,3}', '{"a b","q\"x",NULL,"",ü}',
  '{"2024-02-03 04:05:06+00",infinity}', array['{"a": 1}'::jsonb, 'null', '"s"'], '[1,5]', '{[1,3),[5,7)}', to_tsvector('simple', 'the quick fox'), 'happy', 7, row(1, 'q"x'),
  '(1.5,-2)', '{(1,1),(0,0);(2,2),(1,1)}', '<a b="1">t</a>', b'101', b'10110', 4294967295, '{1,2}', '{t,f,NULL}', array['\x01ff'::bytea], 'a_name', '"a"=>"1", "b c"=>NULL',
  '{sad,NULL,ok}', '{1,2}', 'ok', row(row(1, 'x,"y"'), '{happy}', '2024-02-03 04:05:06+00', '\x01'), array[row(null, null, null, null)::nested], '1 2 3')

insert into things (id) values (2)

insert into things (id, c_int2, c_int8, c_numeric, c_numeric_s, c_float4, c_float8, c_money, c_text, c_varchar, c_char5, c_char1, c_bytea, c_bool, c_date, c_time, c_timetz, c_timestamp,
  c_timestamptz, c_interval, c_json, c_jsonb, c_int4_a, c_text_a, c_int4range, c_tsvector, c_composite, c_varbit, c_bool_a, c_hstore) values (100, 32767, -9223372036854775808, 'NaN', -0.00005,
  'NaN', 'Infinity', '-0.01', '', '', '', ' ', '', false, '-infinity', '24:00:00', '00:00:00-15:59', '-infinity', 'infinity', '-1 mon +2 days -03:04:05.678', 'null', 'null', '{}', '{}',
  'empty', '', row(null, null), b'', '{}', '')

insert into things (id, c_int8, c_numeric, c_numeric_s, c_float4, c_float8, c_text, c_varchar, c_char5, c_date, c_timestamp, c_timestamptz, c_interval, c_json, c_jsonb, c_inet, c_int4_a,
  c_text_a, c_int4range, c_composite) values (101, 9007199254740993, '-Infinity', 12345678.9000, '-Infinity', 1e-320, E'q"uo''te \\ back\nnew\ttab \x01 \u2028 😀 ünï\r', '{"looks":"json"}',
  'abcde', '0044-03-15 BC', '0044-03-15 01:02:03 BC', '294276-12-31 23:59:59+00', '0', '"str"', '[1, "a", {"z": 1, "aa": 2, "b": {}}]', '::1', '{{1,2},{3,4}}', '{"NULL","null"}', '(,5)',
  row(1, 'a,b (c) "d"'))

insert into things (id, c_numeric, c_float4, c_float8, c_json, c_text, c_timestamptz, c_int4_a) values (102, 1.50, 16777216, 1e21,
  '{"n": 1.0, "e": 1e400, "big": 12345678901234567890, "dup": 1, "dup": 2}', 'null', '2024-01-01 00:00:00.100+00', '[0:1]={7,8}')

insert into things (id, c_numeric, c_float4, c_float8, c_timestamptz) values (103, 0.000000000000000000000000000001, 1e-7, -0.0, '0044-03-15 01:02:03+00 BC')
