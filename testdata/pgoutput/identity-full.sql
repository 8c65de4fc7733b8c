create table todos (id int primary key, title text, done bool not null default false)

alter table todos replica identity full

insert into todos values (1, 'milk'), (2, null)

update todos set done = true

update todos set id = 3 where id = 2

delete from todos
