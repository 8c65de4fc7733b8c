package policy

import (
	"strings"
	"testing"

	"walcast/filters"
	"walcast/replication/wal"
)

// What users may define, and what types do to what they read, is not what it
// looks like in the text of a policy.
func TestCompiledIsNeverWiderThanPostgres(t *testing.T) {
	l := newLab(t, `
		create type mood as enum ('sad', 'ok'); create domain sure as int not null;
		create function prints(mood) returns text language sql immutable as $$ select 'same' $$;
		create cast (mood as text) with function prints(mood);
		create function reads(text) returns mood language sql immutable as $$ select 'ok'::mood $$;
		create type shade as enum ('dark', 'ok'); create function shades(text) returns shade language sql immutable as $$ select 'ok'::shade $$;
		create cast (text as shade) with function shades(text);
		create function moods(shade) returns mood language sql immutable as $$ select 'ok'::mood $$;
		create cast (shade as mood) with function moods(shade) as implicit;
		create table docs (id int primary key, n name, e mood, s shade, c char(4), v varchar(3), "ch" "char"); alter table docs enable row level security;
		grant all on docs to authenticated; insert into docs values (1, repeat('n', 63), 'ok', 'ok', 'x', 'abc', 'x'), (2, 'n', 'sad', 'dark', 'y', 'a', 'y')`)
	claims := `{"long":"` + strings.Repeat("n", 64) + `","label":"dark","ok":"ok","x":"xx"}`
	s := l.subject("authenticated", claims)
	for _, using := range []string{
		"n = (auth.jwt() ->> 'long')", "n <> (auth.jwt() ->> 'long')", "n in ('x', auth.jwt() ->> 'long')", "n is distinct from (auth.jwt() ->> 'long')",
		"n = (auth.jwt() ->> 'long')::name", "e::text = 'ok'", "e::text <> 'ok'", "e::text = auth.jwt() ->> 'ok'", "s = (auth.jwt() ->> 'label')::shade", "e = s::mood",
		"null::sure is null", "id = 1 or null::sure is null", "array[null::sure] is not null", "c = 'x'", "c = (auth.jwt() ->> 'x')", "v = (auth.jwt() ->> 'x')",
		`"ch" = 'xx'`, `"ch" = (auth.jwt() ->> 'x')`, `"ch" = (auth.jwt() ->> 'x')::"char"`, "v = 'abcd'::varchar(3)",
	} {
		l.Exec("drop policy if exists p on docs; create policy p on docs using (" + using + ")")
		rel := l.relation("docs")
		want, raises := l.reference(s, 3)
		l.view(rel, s)
		if l.verdict(rel, s) != Compiled {
			continue
		}
		for i, row := range l.rows(rel, "order by id") {
			e := l.policy.Guard(s).Where(rel, wal.Insert)
			got := e == nil || e.Eval(row) == filters.True
			if got != want[i+1] || raises[i+1] != nil {
				t.Errorf("%s: row %d compiled to %t; want %t, raised %v", using, i+1, got, want[i+1], raises[i+1])
			}
		}
	}
}

func TestACastThatNobodyHasDefinedIsStillCompiled(t *testing.T) {
	l := newLab(t, `create type mood as enum ('sad', 'ok'); create table docs (id int primary key, e mood); alter table docs enable row level security;
		grant all on docs to anon; create function odd(int) returns bool language sql as 'select true';
		create policy p on docs using (e::text = 'ok'); create policy w on docs for insert with check (odd(id))`)
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	l.view(rel, s)
	if v := l.verdict(rel, s); v != Compiled {
		t.Errorf("verdict %v; want compiled", v)
	}
}
