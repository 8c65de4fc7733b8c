create table single (id int primary key, v text)

create table pair (b text, v text, a int, primary key (a, b))

insert into single values (1, 'a')

update single set id = 2

update single set id = 3, v = null

insert into pair values ('k', 'v', 1)

update pair set v = 'w'

update pair set a = 2

delete from pair
