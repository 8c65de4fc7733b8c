create publication recorded for all tables with (publish = 'insert')

create table later (id int primary key deferrable, v text)

insert into later values (1, 'a')

create table keyless (a int, b text)

insert into keyless values (1, 'a')
