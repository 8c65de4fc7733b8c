create table public.todos (id int primary key, title text, done bool not null default false)

insert into todos values (1, 'milk'), (2, null)

update todos set done = true where id = 1

update todos set title = 'milk' where id = 1

delete from todos
