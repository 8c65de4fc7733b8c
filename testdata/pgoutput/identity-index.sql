create table codes (id int primary key, code text not null, v int)

create unique index codes_code on codes (code)

alter table codes replica identity using index codes_code

insert into codes values (1, 'one', 1)

update codes set v = 2

update codes set code = 'uno'

update codes set id = 5

delete from codes
