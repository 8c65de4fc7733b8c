-- since 15
-- With a list of columns Postgres describes the wrong columns of a partition whose columns are in another order.
create table items (id int primary key, code int not null, note text) partition by range (id);
create table moved (note text, a int, b int, code int not null, id int primary key);
alter table moved drop column a, drop column b;
alter table items attach partition moved for values from (0) to (100);
create table by_code (note text, c int, d int, code int not null unique, id int not null);
alter table by_code drop column c, drop column d;
alter table by_code replica identity using index by_code_code_key;
alter table items attach partition by_code for values from (100) to (200);
create table one (id int primary key);
create table two (id int primary key);
alter table one replica identity full;
create publication recorded for table items (id, code), one, two with (publish_via_partition_root);
alter table items replica identity full

insert into items values (1, 1, 'n');
update items set note = 'm';
update items set id = 2;
delete from items

insert into items values (101, 101, 'n'), (1, 1, 'n');
update items set note = 'm' where id > 100;
update items set code = 0 where id > 100;
delete from items

truncate one, two

insert into one values (1);
delete from one;
insert into two values (1);
delete from two;
