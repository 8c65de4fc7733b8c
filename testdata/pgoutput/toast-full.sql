create table pages (id int primary key, small text, big text)

alter table pages alter column big set storage external

alter table pages replica identity full

insert into pages values (1, 's', repeat('t', 3000))

update pages set small = 's2'

update pages set big = repeat('u', 3000)

delete from pages
