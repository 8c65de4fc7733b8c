create table days (id int, day int, v text, primary key (id, day)) partition by range (day)

create table days_1 partition of days for values from (0) to (100)

create table days_2 partition of days for values from (100) to (200)

insert into days values (1, 10, 'a'), (2, 110, 'b')

update days set v = 'c' where id = 1

update days set day = 120 where id = 1

delete from days

truncate days
