-- What the recorded scenes (testdata/transcripts) find in the database: types,
-- tables, grants and policies as the recorder made them, after migrations.Apply.

create publication supabase_realtime;

create type tr_mood as enum ('sad','ok','happy');
create domain tr_posint as integer check (value > 0);
create domain tr_dtext as text;
create type tr_pair as (a int, b text);

create table tr_todo (id int primary key, title text, done bool, n int, ts timestamptz, u uuid, vc varchar(20), js jsonb, arr int[], m tr_mood);
grant all on tr_todo to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_todo;

create table tr_other (id int primary key, title text);
grant all on tr_other to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_other;

create table tr_unpub (id int primary key, title text);
grant all on tr_unpub to anon, authenticated, service_role;

create table tr_hidden (id int primary key, title text, secret text);
revoke all on tr_hidden from anon, authenticated, service_role, public;
grant select (id, title) on tr_hidden to anon, authenticated;
alter publication supabase_realtime add table tr_hidden;

create table tr_types_default (id int primary key, c_int2 smallint, c_int8 bigint, c_numeric numeric, c_numeric_s numeric(12,4), c_float4 real, c_float8 double precision, c_money money,
  c_text text, c_varchar varchar(40), c_char5 char(5), c_char1 char, c_bytea bytea, c_bool bool, c_date date, c_time time, c_timetz timetz, c_timestamp timestamp, c_timestamptz timestamptz,
  c_interval interval, c_uuid uuid, c_json json, c_jsonb jsonb, c_inet inet, c_cidr cidr, c_macaddr macaddr, c_int4_a int[], c_text_a text[], c_timestamptz_a timestamptz[], c_jsonb_a jsonb[],
  c_int4range int4range, c_tsvector tsvector, c_enum tr_mood, c_domain tr_posint, c_composite tr_pair, c_point point, c_xml xml, c_bit3 bit(3), c_varbit bit varying, c_oid oid, c_bool_a bool[], c_bytea_a bytea[], c_name name);
grant all on tr_types_default to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_types_default;

create table tr_types_full (id int primary key, c_int2 smallint, c_int8 bigint, c_numeric numeric, c_numeric_s numeric(12,4), c_float4 real, c_float8 double precision, c_money money,
  c_text text, c_varchar varchar(40), c_char5 char(5), c_char1 char, c_bytea bytea, c_bool bool, c_date date, c_time time, c_timetz timetz, c_timestamp timestamp, c_timestamptz timestamptz,
  c_interval interval, c_uuid uuid, c_json json, c_jsonb jsonb, c_inet inet, c_cidr cidr, c_macaddr macaddr, c_int4_a int[], c_text_a text[], c_timestamptz_a timestamptz[], c_jsonb_a jsonb[],
  c_int4range int4range, c_tsvector tsvector, c_enum tr_mood, c_domain tr_posint, c_composite tr_pair, c_point point, c_xml xml, c_bit3 bit(3), c_varbit bit varying, c_oid oid, c_bool_a bool[], c_bytea_a bytea[], c_name name);
grant all on tr_types_full to anon, authenticated, service_role;
alter table tr_types_full replica identity full;
alter publication supabase_realtime add table tr_types_full;

create table tr_types_nothing (id int primary key, c_int2 smallint, c_int8 bigint, c_numeric numeric, c_numeric_s numeric(12,4), c_float4 real, c_float8 double precision, c_money money,
  c_text text, c_varchar varchar(40), c_char5 char(5), c_char1 char, c_bytea bytea, c_bool bool, c_date date, c_time time, c_timetz timetz, c_timestamp timestamp, c_timestamptz timestamptz,
  c_interval interval, c_uuid uuid, c_json json, c_jsonb jsonb, c_inet inet, c_cidr cidr, c_macaddr macaddr, c_int4_a int[], c_text_a text[], c_timestamptz_a timestamptz[], c_jsonb_a jsonb[],
  c_int4range int4range, c_tsvector tsvector, c_enum tr_mood, c_domain tr_posint, c_composite tr_pair, c_point point, c_xml xml, c_bit3 bit(3), c_varbit bit varying, c_oid oid, c_bool_a bool[], c_bytea_a bytea[], c_name name);
grant all on tr_types_nothing to anon, authenticated, service_role;
alter table tr_types_nothing replica identity nothing;
alter publication supabase_realtime add table tr_types_nothing;

create table tr_types_index (id int primary key, code text not null, v int, w text);
grant all on tr_types_index to anon, authenticated, service_role;
create unique index tr_types_index_code on tr_types_index (code);
alter table tr_types_index replica identity using index tr_types_index_code;
alter publication supabase_realtime add table tr_types_index;

create table tr_rls_default (id int primary key, owner uuid, body text, big text);
grant all on tr_rls_default to anon, authenticated, service_role;
alter table tr_rls_default alter column big set storage external;
create policy own on tr_rls_default for select to authenticated using (owner = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid);
alter table tr_rls_default enable row level security;
alter publication supabase_realtime add table tr_rls_default;

create table tr_rls_full (id int primary key, owner uuid, body text, big text);
grant all on tr_rls_full to anon, authenticated, service_role;
alter table tr_rls_full alter column big set storage external;
create policy own on tr_rls_full for select to authenticated using (owner = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid);
alter table tr_rls_full replica identity full;
alter table tr_rls_full enable row level security;
alter publication supabase_realtime add table tr_rls_full;

create table "Tr Mixed Case" ("Id" int primary key, "Some Col" text, "ünï ☃" text, "quo""te" text);
grant all on "Tr Mixed Case" to anon, authenticated, service_role;
alter publication supabase_realtime add table "Tr Mixed Case";

create table tr_nopk (a int, b text);
grant all on tr_nopk to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_nopk;

create table tr_nopk_full (a int, b text);
grant all on tr_nopk_full to anon, authenticated, service_role;
alter table tr_nopk_full replica identity full;
alter publication supabase_realtime add table tr_nopk_full;

create table tr_toast_default (id int primary key, small text, big text);
grant all on tr_toast_default to anon, authenticated, service_role;
alter table tr_toast_default alter column big set storage external;
alter publication supabase_realtime add table tr_toast_default;

create table tr_toast_full (id int primary key, small text, big text);
grant all on tr_toast_full to anon, authenticated, service_role;
alter table tr_toast_full alter column big set storage external;
alter table tr_toast_full replica identity full;
alter publication supabase_realtime add table tr_toast_full;

create table tr_pk (id int primary key, v text);
grant all on tr_pk to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_pk;

create table tr_pk_full (id int primary key, v text);
grant all on tr_pk_full to anon, authenticated, service_role;
alter table tr_pk_full replica identity full;
alter publication supabase_realtime add table tr_pk_full;

create table tr_pk2 (b text, a int, v text, primary key (a, b));
grant all on tr_pk2 to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_pk2;

create table tr_big (id int primary key, body text, note text, n int, d double precision, z text, j jsonb);
grant all on tr_big to anon, authenticated, service_role;
alter table tr_big replica identity full;
alter publication supabase_realtime add table tr_big;

create table tr_gen (id int primary key, a int, b int generated always as (a * 2) stored, c int generated by default as identity);
grant all on tr_gen to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_gen;

create table tr_dropped (id int primary key, gone1 text, v text, gone2 int, w int);
grant all on tr_dropped to anon, authenticated, service_role;
alter table tr_dropped drop column gone1;
alter table tr_dropped drop column gone2;
alter publication supabase_realtime add table tr_dropped;

create table tr_alter (id int primary key, v text);
grant all on tr_alter to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_alter;

create table tr_tx (id int primary key, v text);
grant all on tr_tx to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_tx;

create table tr_tx2 (id int primary key, v text);
grant all on tr_tx2 to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_tx2;

create table tr_trunc (id int primary key, v text);
grant all on tr_trunc to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_trunc;

create table tr_part (id int, day int, v text, primary key (id, day)) partition by range (day);
grant all on tr_part to anon, authenticated, service_role;
create table tr_part_1 partition of tr_part for values from (0) to (100);
create table tr_part_2 partition of tr_part for values from (100) to (200);
grant all on tr_part_1, tr_part_2 to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_part;

create table tr_sel (id int primary key, a text, b text, c text);
grant all on tr_sel to anon, authenticated, service_role;
alter table tr_sel replica identity full;
alter publication supabase_realtime add table tr_sel;

create table tr_ids (id int primary key, v text);
grant all on tr_ids to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_ids;

create schema "tr Schema";
grant usage on schema "tr Schema" to anon, authenticated, service_role;

create table "tr Schema"."Tbl" (id int primary key, v text);
grant all on "tr Schema"."Tbl" to anon, authenticated, service_role;
alter publication supabase_realtime add table "tr Schema"."Tbl";

create schema tr_empty;

create table tr_f (id int primary key, i int, i8 bigint, n numeric, f double precision, t text, vc varchar(20), ch char(4), b bool, ts timestamptz, d date, tm time, u uuid, e tr_mood, dom tr_posint, dt tr_dtext, j jsonb, arr int[], bt bytea, iv interval, ip inet);
grant all on tr_f to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_f;

create table tr_upd (id int primary key, i int, t text);
grant all on tr_upd to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_upd;

create table tr_upd_full (id int primary key, i int, t text);
grant all on tr_upd_full to anon, authenticated, service_role;
alter table tr_upd_full replica identity full;
alter publication supabase_realtime add table tr_upd_full;

create table tr_fd (id int primary key, i int, t text);
grant all on tr_fd to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_fd;

create table tr_ff (id int primary key, i int, t text);
grant all on tr_ff to anon, authenticated, service_role;
alter table tr_ff replica identity full;
alter publication supabase_realtime add table tr_ff;

create table tr_bad (id int primary key, arr int[], js json, pt point, x xml, t text);
grant all on tr_bad to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_bad;

create table tr_toastf (id int primary key, i int, big text);
grant all on tr_toastf to anon, authenticated, service_role;
alter table tr_toastf alter column big set storage external;
alter publication supabase_realtime add table tr_toastf;

create function tr_uid() returns uuid language sql stable as $$ select (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid $$;
grant execute on function tr_uid() to anon, authenticated, service_role;

create table tr_own (id int primary key, owner uuid, body text);
grant all on tr_own to anon, authenticated, service_role;
create policy own on tr_own for select to authenticated using (owner = tr_uid());
alter table tr_own enable row level security;
alter publication supabase_realtime add table tr_own;

create table tr_own_full (id int primary key, owner uuid, body text);
grant all on tr_own_full to anon, authenticated, service_role;
create policy own on tr_own_full for select to authenticated using (owner = tr_uid());
alter table tr_own_full replica identity full;
alter table tr_own_full enable row level security;
alter publication supabase_realtime add table tr_own_full;

create table tr_own_nopk (owner uuid, body text);
grant all on tr_own_nopk to anon, authenticated, service_role;
create policy own on tr_own_nopk for select to authenticated using (owner = tr_uid());
alter table tr_own_nopk replica identity full;
alter table tr_own_nopk enable row level security;
alter publication supabase_realtime add table tr_own_nopk;

create table tr_nopolicy (id int primary key, body text);
grant all on tr_nopolicy to anon, authenticated, service_role;
alter table tr_nopolicy enable row level security;
alter publication supabase_realtime add table tr_nopolicy;

create table tr_nogrant (id int primary key, body text);
revoke all on tr_nogrant from anon, authenticated, service_role, public;
alter publication supabase_realtime add table tr_nogrant;

create table tr_colgrant (id int primary key, a text, b text, c text);
revoke all on tr_colgrant from anon, authenticated, service_role, public;
grant select (id, a) on tr_colgrant to anon, authenticated;
alter table tr_colgrant replica identity full;
alter publication supabase_realtime add table tr_colgrant;

create table tr_colgrant_nopk (id int primary key, a text, b text);
revoke all on tr_colgrant_nopk from anon, authenticated, service_role, public;
grant select (a) on tr_colgrant_nopk to anon, authenticated;
alter publication supabase_realtime add table tr_colgrant_nopk;

create table tr_err (id int primary key, d int, body text);
grant all on tr_err to anon, authenticated, service_role;
create policy err on tr_err for select to authenticated using (10 / d > 0);
alter table tr_err enable row level security;
alter publication supabase_realtime add table tr_err;

create table tr_err2 (id int primary key, body text);
grant all on tr_err2 to anon, authenticated, service_role;
alter publication supabase_realtime add table tr_err2;

create table tr_sub (id int primary key, org int, body text);
grant all on tr_sub to anon, authenticated, service_role;


create table tr_members (org int, usr uuid, primary key (org, usr));
grant all on tr_members to anon, authenticated, service_role;
create policy member on tr_sub for select to authenticated using (org in (select org from tr_members where usr = tr_uid()));
alter table tr_sub enable row level security;
alter publication supabase_realtime add table tr_sub;

create table tr_claims (id int primary key, v text);
grant all on tr_claims to anon, authenticated, service_role;
create policy c on tr_claims for select to authenticated using (v = current_setting('request.jwt.claims', true)::jsonb -> 'app_metadata' ->> 'team' or v = 'role:' || current_user or v = 'topic:' || coalesce(current_setting('realtime.topic', true), '') or v = 'sub:' || coalesce(current_setting('request.jwt.claim.sub', true), '') or v = 'hdr:' || coalesce(current_setting('request.headers', true), ''));
alter table tr_claims enable row level security;
alter publication supabase_realtime add table tr_claims;

create table tr_bc (id int primary key, v text, j jsonb);
grant all on tr_bc to anon, authenticated, service_role;

create function tr_bc_fn() returns trigger security definer language plpgsql as $$ begin perform realtime.broadcast_changes('tr-bc-priv', tg_op, tg_op, tg_table_name, tg_table_schema, new, old); return null; end $$;
create trigger bc after insert or update or delete on tr_bc for each row execute function tr_bc_fn();

create function tr_boom() returns boolean language plpgsql as $$ begin raise exception 'policy goes boom'; end $$;
grant execute on function tr_boom() to anon, authenticated, service_role;

create policy tr_read on realtime.messages for select to authenticated using (
     (realtime.topic() like 'pv%' and ((extension = 'broadcast' and realtime.topic() ~ '-br') or (extension = 'presence' and realtime.topic() ~ '-pr')))
     or (realtime.topic() like 'mine-%' and realtime.topic() = 'mine-' || (select auth.uid()::text))
     or (realtime.topic() like 'hdr-%' and coalesce(current_setting('request.headers', true), '') like '%x-room%')
     or (realtime.topic() like 'role-%' and current_setting('request.jwt.claims', true)::jsonb ->> 'level' = '2')
     or (realtime.topic() like 'boomr-%' and tr_boom())
     or realtime.topic() like 'boomw-%'
     or realtime.topic() like 'tr-bc%');

create policy tr_write on realtime.messages for insert to authenticated with check (
     (realtime.topic() like 'pv%' and ((extension = 'broadcast' and realtime.topic() ~ '-bw') or (extension = 'presence' and realtime.topic() ~ '-pw')))
     or (realtime.topic() like 'mine-%' and realtime.topic() = 'mine-' || (select auth.uid()::text))
     or (realtime.topic() like 'boomw-%' and tr_boom())
     or realtime.topic() like 'tr-bc%');
