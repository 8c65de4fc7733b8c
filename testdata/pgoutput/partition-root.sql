create table days (id int, day int, v text, primary key (id, day)) partition by range (day)

create table days_1 (v text, day int not null, gone int, id int not null)

alter table days_1 drop column gone

alter table days attach partition days_1 for values from (0) to (100)

create publication recorded for table days with (publish_via_partition_root = true)

insert into days values (1, 10, 'a')

update days set v = 'c'

update days set day = 12

delete from days

truncate days
