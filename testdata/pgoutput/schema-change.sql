create table shifting (id int primary key, v text)

insert into shifting values (1, 'a')

alter table shifting add column n int default 7

insert into shifting (id) values (2)

alter table shifting rename column v to w

update shifting set w = 'b' where id = 1

begin; alter table shifting alter column n type text; insert into shifting values (3, 'c', 'seven'); alter table shifting drop column w; insert into shifting values (4, 'eight'); commit

alter table shifting rename to shifted

delete from shifted where id = 1

analyze shifted

delete from shifted where id = 2

alter table shifted replica identity full

delete from shifted where id = 3

drop table shifted
