package policy

import (
	"slices"
	"testing"

	"walcast/replication/wal"
)

// What only Postgres can judge by the row as it is now says nothing about an
// older version of it.
func TestARowIsShownInTheVersionThatWasJudged(t *testing.T) {
	l := newLab(t, `
		create table posts (id int primary key, body text, shared bool, n numeric, c char(4), arr int[], j jsonb, secret text generated always as (case when shared then 'no' else 'yes' end) stored);
		alter table posts enable row level security; grant all on posts to anon;
		create policy shared on posts using (secret = 'no');
		insert into posts values (1, 'SECRET DRAFT', false, 1.50, 'x', '{1,null}', '{"b": 1, "a": [2]}'), (2, null, true, null, null, null, null)`)
	rel, s := l.relation("posts"), l.subject("anon", "{}")
	withoutSecret := *rel
	withoutSecret.Columns = slices.DeleteFunc(slices.Clone(rel.Columns), func(c wal.Column) bool { return c.Name == "secret" })
	rel = &withoutSecret
	draft := l.rows(rel, "order by id")
	l.Exec("update posts set shared = true, body = 'clean' where id = 1")
	clean := l.rows(rel, "where id = 1")
	if got := l.visible(s, inserts(rel, []wal.Row{draft[0], clean[0], draft[1]})); !slices.Equal(got, []bool{false, true, true}) {
		t.Errorf("Visible = %v; want the draft hidden", got)
	}
	if n := measured(t, l.metrics, "walcast_policy_superseded_total"); n != 1 {
		t.Errorf("%v counted; want the draft", n)
	}
	for i, c := range rel.Columns { // what the change lacks is not compared, all else is
		if c.Key {
			continue
		}
		lacking, other := slices.Clone(clean[0]), slices.Clone(clean[0])
		lacking[i] = wal.Value{}
		other[i] = draft[1][i]
		got := l.visible(s, inserts(rel, []wal.Row{lacking, other}))
		if c.Name != "shared" && !slices.Equal(got, []bool{true, false}) {
			t.Errorf("without and with another %s: %v; want true, false", c.Name, got)
		}
	}
	spelled := slices.Clone(clean[0])
	spelled[3] = wal.Value{Kind: wal.Text, Text: "1.5"} // equal to 1.50, but not the same
	if l.visible(s, inserts(rel, []wal.Row{spelled}))[0] {
		t.Error("a value that is equal but another one is shown")
	}
}

// A composite value that was stored before its type changed is not stored again by
// an update that leaves it alone.
func TestAVersionIsTheSameWhateverBecomesOfItsTypes(t *testing.T) {
	l := newLab(t, `
		create type price as (net int, gross int); create domain paid as price;
		create table goods (id int primary key, n int, price price, prices price[], paid paid, twice int generated always as (n * 2) stored);
		alter table goods enable row level security; grant all on goods to anon; create policy few on goods using (twice < 10);
		insert into goods values (1, 1, row(1, 2), array[row(3, 4)::price], row(5, 6)), (2, 2, null, null, null), (3, 3, row(null, null), '{}', null);
		alter type price drop attribute net; alter type price add attribute currency text;
		update goods set n = n + 1`)
	rel, s := l.relation("goods"), l.subject("anon", "{}")
	sent := *rel
	sent.Columns = slices.DeleteFunc(slices.Clone(rel.Columns), func(c wal.Column) bool { return c.Name == "twice" })
	rel = &sent
	rows := l.rows(rel, "order by id")
	if got := l.visible(s, inserts(rel, rows)); !slices.Equal(got, []bool{true, true, true}) {
		t.Errorf("Visible = %v of rows that are as they were sent; want all", got)
	}
	other, null := slices.Clone(rows[0]), slices.Clone(rows[2])
	other[2].Text, null[2] = "(7,)", wal.Value{Kind: wal.Null}
	if got := l.visible(s, inserts(rel, []wal.Row{other, null})); !slices.Equal(got, []bool{false, false}) {
		t.Errorf("Visible = %v of rows that were sent with another price; want none", got)
	}
}

// Looking a row up needs no right to columns that its reader does not get.
func TestAVersionIsToldByTheColumnsThatAreShown(t *testing.T) {
	l := newLab(t, `
		create table notes (id int primary key, body text, secret text, n int, twice int generated always as (n * 2) stored);
		alter table notes enable row level security; grant select (id, body) on notes to anon; create policy few on notes using (twice < 10);
		insert into notes values (1, 'a', 'x', 1), (2, 'b', 'y', 9)`)
	rel, s := l.relation("notes"), l.subject("anon", "{}")
	sent := *rel
	sent.Columns = slices.DeleteFunc(slices.Clone(rel.Columns), func(c wal.Column) bool { return c.Name == "twice" })
	rel = &sent
	rows := l.rows(rel, "order by id")
	older := slices.Clone(rows[0])
	older[1].Text = "draft"
	got, errs, err := l.policy.Visible(t.Context(), s, inserts(rel, append(rows, older)))
	if err != nil || len(errs) != 0 || !slices.Equal(got, []bool{true, false, false}) {
		t.Errorf("Visible = %v, %v, %v; want the first alone", got, errs, err)
	}
	l.Exec("grant select on notes to anon")
	rel = l.relation("notes")
	withoutTwice := *rel
	withoutTwice.Columns = sent.Columns
	other := slices.Clone(rows[0])
	other[2].Text = "z"
	if got := l.visible(s, inserts(&withoutTwice, []wal.Row{rows[0], other})); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("Visible = %v once the secret may be read; want it compared", got)
	}
}
