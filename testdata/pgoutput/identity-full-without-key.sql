create table notes (a int, b text)

alter table notes replica identity full

insert into notes values (1, 'a'), (null, null)

update notes set b = 'b'

delete from notes
