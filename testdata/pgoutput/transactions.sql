create table rows (id int primary key, v text)

create table others (id int primary key)

begin; insert into rows select n, 'bulk' from generate_series(1, 3) n; insert into others values (1); savepoint s; insert into rows values (4, 'never'); rollback to s; insert into rows values (5, 'after'); commit

begin; insert into rows values (6, 'never'); rollback

create table copied as select n as id from generate_series(1, 2) n

create table unpublished_in_effect as select 1 as id limit 0

delete from rows where id > 2
