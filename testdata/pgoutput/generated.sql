create table squares (id int generated always as identity primary key, a int, b int generated always as (a * a) stored)

insert into squares (a) values (3), (null)

update squares set a = 4 where id = 1

delete from squares
