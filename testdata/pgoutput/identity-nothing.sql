create publication recorded for all tables with (publish = 'insert, truncate')

create table events (id int primary key, body text)

alter table events replica identity nothing

insert into events values (1, 'a')

update events set body = 'b'

truncate events
