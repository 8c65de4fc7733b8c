create schema "My Schema"

create table "My Schema"."Mixed ""Case""" ("Id" int primary key, "Some Col" text, "ünï ☃" text, "quo""te\" text)

insert into "My Schema"."Mixed ""Case""" values (1, 'a', 'b', 'c')

update "My Schema"."Mixed ""Case""" set "Some Col" = E'line\nbreak\t"quoted" \\ \x01 😀'

delete from "My Schema"."Mixed ""Case"""
