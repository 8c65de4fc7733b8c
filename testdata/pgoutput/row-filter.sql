-- since 15
create table orders (id int primary key, total int not null, secret text)

alter table orders replica identity using index orders_pkey

create publication recorded for table orders (id, total) where (id < 100)

insert into orders values (1, 10, 'x'), (100, 20, 'y')

update orders set total = 11

update orders set id = 101 where id = 1

update orders set id = 2 where id = 100

delete from orders
