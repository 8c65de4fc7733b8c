package policy

import (
	"slices"
	"testing"
)

func TestWhatPoliciesReadIsKnown(t *testing.T) {
	l := newLab(t, `create table members (room int, who text, primary key (room, who)); create table rooms (id int primary key); create table parts (id int) partition by range (id);
		create function sees(int) returns boolean language plpgsql stable as 'begin return true; end';
		create function double(int) returns int language plpgsql immutable as 'begin return 2 * $1; end';
		create function me() returns text language sql stable as $$ select current_setting('request.jwt.claims', true)::json ->> 'sub' $$;
		create function mine() returns setof int language sql stable as $$ select room from members where who = me() $$;
		create view shown as select id from rooms where id > 0;
		alter table rooms enable row level security; create policy p on rooms using (exists (select from members m where m.room = id))`)
	for i, c := range []struct {
		using     string
		relations []string
		hidden    []string
	}{
		{"body = 'x'", nil, nil},
		{"body = me()", nil, nil},
		{"double(id) > 3", nil, nil},
		{"exists (select from members m where m.room = id and m.who = me())", []string{"members"}, nil},
		{"id in (select s.id from shown s)", []string{"members", "rooms"}, nil},
		{"id in (select mine())", nil, []string{"function public.mine"}},
		{"sees(id)", nil, []string{"function public.sees"}},
		{"now() > '2020-01-01'", nil, []string{"now()"}},
		{"id < 0 or current_date > '2020-01-01'", nil, []string{"CURRENT_DATE"}},
		{"current_setting('app.x', true) is null", nil, []string{"settings"}},
		{"exists (select from parts where parts.id = docs.id)", nil, []string{"table public.parts"}},
		{"exists (select from pg_roles where rolname = body)", nil, []string{"the catalog"}},
		{"random() < 2", nil, []string{"random()"}},
	} {
		l.Exec("drop table if exists docs; create table docs (id int, body text); alter table docs enable row level security; create policy p on docs using (" + c.using + ")")
		view := l.view(l.relation("docs"), l.subject("anon", "{}"))
		var relations []string
		for _, oid := range view.Reads.Relations {
			var name string
			if err := l.Pool.QueryRow(t.Context(), "select $1::oid::regclass::text", oid).Scan(&name); err != nil {
				t.Fatal(err)
			}
			relations = append(relations, name)
		}
		if slices.Sort(relations); !slices.Equal(relations, c.relations) || !slices.Equal(view.Reads.Hidden, c.hidden) {
			t.Errorf("%d: using (%s) reads %q, and hidden %q; want %q and %q", i, c.using, relations, view.Reads.Hidden, c.relations, c.hidden)
		}
	}
}
