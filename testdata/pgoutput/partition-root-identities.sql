-- Each partition has a replica identity of its own, whatever the root's is.
create table items (id int, code int not null, owner text, note text, primary key (id)) partition by range (id);
create table by_key partition of items for values from (0) to (100);
create table whole (note text, gone int, owner text, code int not null, id int primary key);
alter table whole drop column gone;
alter table whole replica identity full;
alter table items attach partition whole for values from (100) to (200);
create publication recorded for table items with (publish_via_partition_root);
alter table items replica identity full

insert into items values (1, 1, 'ann', null), (2, 2, null, 'n');

update items set note = 'm' where id = 1;
update items set id = 3 where id = 2;
delete from items where id < 100

insert into items values (101, 101, null, 'n'), (102, 102, 'ann', null), (103, 103, 'ann', 'n'), (1, 1, 'ann', 'n');

update items set code = 0 where id >= 100;
update items set id = id + 10 where id in (1, 101);
delete from items where id <> 103

alter table items replica identity default;
insert into items values (1, 1, 'ann', null);
update items set note = 'm' where id = 1;
update items set note = null where id = 103;
delete from items

alter table by_key replica identity full;
insert into items values (1, 1, null, null);
update items set note = 'm' where id = 1;
delete from items

create table by_code partition of items for values from (200) to (300);
create unique index by_code_code on by_code (code);
alter table by_code replica identity using index by_code_code;
insert into items values (201, 201, 'ann', null), (1, 1, null, null);
update items set note = 'm' where id = 201;
update items set code = 0 where id = 201;
delete from items

alter table items add extra text;
insert into items values (1, 1, null, null, null), (201, 201, 'ann', null, null);
delete from items
