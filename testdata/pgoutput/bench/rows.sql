create table rows (id bigint primary key, n int, name text, price numeric(12,2), at timestamptz, ok bool)

insert into rows select n, n % 100, 'name of row ' || lpad(n::text, 8, '0'), n * 1.01, '2024-01-01'::timestamptz + n * '1 second'::interval, n % 2 = 0 from generate_series(1, 200) n

update rows set n = n + 1 where id <= 100

delete from rows where id > 150
