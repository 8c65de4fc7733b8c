create table parents (id int primary key)

create table children (id int primary key, parent int references parents)

create table others (id int primary key)

insert into others values (1)

truncate parents cascade

truncate others restart identity

begin; insert into others values (2); truncate others, parents, children; insert into others values (3); commit
