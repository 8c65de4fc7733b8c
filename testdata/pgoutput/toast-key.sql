create table paths (path text primary key, n int)

alter table paths alter column path set storage external

insert into paths values (repeat('p', 2300), 1)

update paths set n = 2

delete from paths
