create table rows (id int primary key)

select pg_logical_emit_message(true, 'walcast', 'heartbeat')

select pg_logical_emit_message(false, 'walcast', 'at once')

begin; insert into rows values (1); select pg_logical_emit_message(true, 'app', 'between ☃'); insert into rows values (2); commit

begin; insert into rows values (3); select pg_logical_emit_message(true, 'app', 'never'); select pg_logical_emit_message(false, 'app', 'nevertheless'); rollback

select pg_logical_emit_message(true, '', '')
