package policy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/replication/wal"
)

const (
	user1 = `{"role":"authenticated","sub":"00000000-0000-4000-8000-000000000001","app_metadata":{"team":"red"}}`
	user2 = `{"role":"authenticated","sub":"00000000-0000-4000-8000-000000000002"}`
)

const docsSQL = `
	create table docs (id int primary key, gone text, owner uuid, org int, body text, d int); alter table docs drop column gone;
	alter table docs enable row level security; grant all on docs to anon, authenticated;
	insert into docs values (1, '00000000-0000-4000-8000-000000000001', 7, 'one', 1),
		(2, '00000000-0000-4000-8000-000000000002', 8, 'two', 0), (3, null, 7, E'a "b" \\ , {c} (d) ''e''\nf', 1), (4, null, null, '', 0)`

func TestVisibleJudgesTheValuesOfTheChange(t *testing.T) {
	l := newLab(t, docsSQL, "create table members (org int, usr uuid)", "grant all on members to authenticated",
		"insert into members values (7, '00000000-0000-4000-8000-000000000001')",
		"create policy member on docs using (org in (select org from members where usr = auth.uid()))")
	rel := l.relation("docs")
	changes := inserts(rel, l.rows(rel, "order by id"))
	l.Exec("delete from docs") // what has happened since does not matter
	for claims, want := range map[string][]bool{user1: {true, false, true, false}, user2: {false, false, false, false}, "{}": {false, false, false, false}} {
		s := l.subject("authenticated", claims)
		l.ask(rel, s)
		if got := l.visible(s, changes); !slices.Equal(got, want) {
			t.Errorf("as %s: %v; want %v", claims, got, want)
		}
	}
}

func TestVisibleReadsEveryValueAsItsTypeDoes(t *testing.T) {
	l := newLab(t, `
		create type mood as enum ('sad', 'ok'); create type pair as (a int, b text); create domain strict as text not null check (value <> 'never');
		create table types (id int primary key, body text, v varchar(5), ch char(5), b bool, n numeric(8,2), f float8, u uuid, j json, jb jsonb,
			ts timestamptz, by bytea, arr text[], nested int[][], e mood, es mood[], p pair, ps pair[], dom strict, r int4range, iv interval, x xml, bits bit(3), c "char");
		alter table types enable row level security; grant all on types to anon;
		insert into types values (1, E'tab\t "q" \\ ''x'' , ( ) { }', 'ab', 'ab', true, 1.50, 'nan', '00000000-0000-4000-8000-000000000001', '{"a": [1,  "\"" ]}', '{"k":"v\\"}',
			'2024-01-02 03:04:05.6+00', '\x00ff5c22', array['a,b', null, '"', '\', 'NULL', ''], '{{1,2},{3,4}}', 'ok', '{sad,ok}', row(1, 'x "y" \ ,'), array[row(1,'(')::pair, null],
			'fine', '[1,5)', '1 day 02:03', '<a b="c">&amp;</a>', '101', 'z'), (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'other', null, null, null, null, null)`)
	rel := l.relation("types")
	changes := inserts(rel, l.rows(rel, "order by id"))
	s := l.subject("anon", "{}")
	// The policy compares each value with the one that the table still holds.
	l.Exec(`create function peek(int) returns text language sql security definer set search_path = public as 'select t::text from types as t where id = $1';
		create policy same on types using (peek(id) = types::text)`)
	l.ask(rel, s)
	if got := l.visible(s, changes); !slices.Equal(got, []bool{true, true}) {
		t.Errorf("Visible = %v; want all", got)
	}
	for i := range rel.Columns { // and would notice a difference anywhere
		row := slices.Clone(changes[0].New)
		row[i] = changes[1].New[i]
		if l.visible(s, inserts(rel, []wal.Row{row}))[0] {
			t.Errorf("a row that differs in %s counts as the same", rel.Columns[i].Name)
		}
	}
}

func TestVisibleLooksUpByKeyWhatTheChangeLacks(t *testing.T) {
	l := newLab(t, docsSQL, "create policy long on docs using (length(body) >= 3)",
		"create table gen (id int primary key, a int, twice int generated always as (a * 2) stored)",
		"alter table gen enable row level security", "create policy even on gen using (twice > 10)", "grant all on gen to anon",
		"insert into gen values (1, 3), (2, 30)")
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	rows := l.rows(rel, "order by id")
	changes := make([]*wal.Change, len(rows))
	for i, row := range rows {
		row[3] = wal.Value{} // unchanged, stored out of line
		changes[i] = &wal.Change{Operation: wal.Update, Relation: rel, New: row}
	}
	l.ask(rel, s)
	if got := l.visible(s, changes); !slices.Equal(got, []bool{true, true, true, false}) {
		t.Errorf("body not sent: %v", got)
	}
	l.Exec("delete from docs where id = 1")
	if got := l.visible(s, changes[:1]); got[0] {
		t.Error("a row that is gone is visible without its body")
	}
	rows[1][0] = wal.Value{}
	if got, errs, err := l.policy.Visible(t.Context(), s, changes[1:2]); err != nil || got[0] || errs[0] == nil {
		t.Errorf("a row without its key and its body: %v, %v, %v; want to be told that nobody can judge it", got, errs, err)
	}
	if n := measured(t, l.metrics, "walcast_policy_ask_rows_total"); n != 5 {
		t.Errorf("asked about %v rows; want 5: one has nothing to be found by", n)
	}

	gen := l.relation("gen") // a generated column is not in the WAL
	gen = &wal.Relation{OID: gen.OID, Schema: gen.Schema, Table: gen.Table, Columns: gen.Columns[:2]}
	l.ask(gen, s)
	if got := l.visible(s, inserts(gen, l.rows(gen, "order by id"))); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("policy on a generated column: %v", got)
	}
}

func TestVisibleOfDeletes(t *testing.T) {
	l := newLab(t, docsSQL, "create policy own on docs using (owner = auth.uid())")
	s := l.subject("authenticated", user1)
	byKey := l.relation("docs")
	l.Exec("alter table docs replica identity full")
	full := l.relation("docs")
	for _, c := range []struct {
		name string
		rel  *wal.Relation
		want []bool
	}{{"the key only", byKey, []bool{true, true}}, {"the whole row", full, []bool{true, false}}} {
		var changes []*wal.Change
		for _, row := range l.rows(c.rel, "where id < 3 order by id") {
			if c.rel == byKey {
				row = wal.Row{row[0], {}, {}, {}, {}}
			}
			changes = append(changes, &wal.Change{Operation: wal.Delete, Relation: c.rel, Old: row})
		}
		l.ask(c.rel, s)
		if got := l.visible(s, changes); !slices.Equal(got, c.want) {
			t.Errorf("old row with %s: %v; want %v", c.name, got, c.want)
		}
	}
	truncate := &wal.Change{Operation: wal.Truncate, Relation: byKey}
	if !l.visible(s, []*wal.Change{truncate})[0] {
		t.Error("TRUNCATE is hidden")
	}
}

func TestARaisingPolicyHidesOnlyTheRowsItRaisedFor(t *testing.T) {
	l := newLab(t, docsSQL, "create policy divides on docs using (10 / d > 0)", "truncate docs",
		"insert into docs select i, null, i, '', case when i % 97 = 5 then 0 else 1 end from generate_series(1, 400) as i")
	log := l.logs()
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	changes := inserts(rel, l.rows(rel, "order by id"))
	l.ask(rel, s)
	seen, errs, err := l.policy.Visible(t.Context(), s, changes)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "table=public.docs sqlstate=22012 text=\"division by zero\"") {
		t.Errorf("logged %q; want one line", log.String())
	}
	for i := range changes {
		raises := (i+1)%97 == 5
		if seen[i] == raises || (errs[i] != nil) != raises {
			t.Errorf("row %d: visible %t, %v", i+1, seen[i], errs[i])
		}
	}
	var ask *AskError
	if !errors.As(errs[4], &ask) {
		t.Fatalf("%v is no *AskError", errs[4])
	}
	if ask.Table != "public.docs" || ask.SQLState != "22012" || ask.Error() != textInLog {
		t.Errorf("%+v; want a division by zero, of which the log has the text", ask)
	}
	if n := measured(t, l.metrics, "walcast_policy_raised_total"); n != 5 {
		t.Errorf("%v raised; want 5", n)
	}
}

func TestAPolicyThatTakesTooLongHidesItsRow(t *testing.T) {
	l := newLab(t, docsSQL, "create policy slow on docs using (id <> 2 or pg_sleep(60) is null)")
	l.policy.config.Timeout = time.Second
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	l.ask(rel, s)
	seen, errs, err := l.policy.Visible(t.Context(), s, inserts(rel, l.rows(rel, "order by id")))
	if err != nil || !slices.Equal(seen, []bool{true, false, true, true}) || len(errs) != 1 {
		t.Fatalf("Visible = %v, %v, %v", seen, errs, err)
	}
	var ask *AskError
	if !errors.As(errs[1], &ask) || ask.SQLState != "57014" {
		t.Errorf("%v; want a time-out", errs[1])
	}
}

func TestVisibleRunsAsTheSubjectAndLeavesNothingBehind(t *testing.T) {
	l := newLab(t, docsSQL, "create function secret() returns int language sql as 'select 1'", "revoke execute on function secret() from public",
		"create policy a on docs for select using (org + secret() > 0)")
	rel := l.relation("docs")
	changes := inserts(rel, l.rows(rel, "where id = 1"))
	as := func(role string) error {
		s := l.subject(role, "{}")
		l.ask(rel, s)
		_, errs, err := l.policy.Visible(t.Context(), s, changes)
		if err != nil {
			t.Fatal(err)
		}
		return errs[0]
	}
	l.Exec("grant execute on function secret() to authenticated")
	if err := as("anon"); err == nil || err.Error() != "permission denied for function secret" {
		t.Errorf("as anon: %v", err)
	}
	if err := as("authenticated"); err != nil {
		t.Errorf("as authenticated: %v", err)
	}
	var left string
	err := l.Pool.QueryRow(t.Context(), "select current_user || coalesce(current_setting('request.jwt.claims', true), '')").Scan(&left)
	if err != nil || left != "postgres" {
		t.Errorf("the connection is left with %q, %v", left, err)
	}
}

func TestAPolicyCannotWrite(t *testing.T) {
	l := newLab(t, docsSQL, "create table seen (id int)", "grant all on seen to anon",
		"create function note(int) returns bool language sql volatile as 'insert into seen values ($1) returning true'",
		"create policy noting on docs using (note(id))")
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	l.ask(rel, s)
	_, errs, err := l.policy.Visible(t.Context(), s, inserts(rel, l.rows(rel, "")))
	var raised *AskError
	if err != nil || len(errs) != 4 || !errors.As(errs[0], &raised) || raised.SQLState != "25006" {
		t.Errorf("errs = %v, %v; want read-only transaction", errs, err)
	}
}

func TestNoUsageOnTheSchemaHidesItsTables(t *testing.T) {
	l := newLab(t, "create schema private", "create table private.docs (id int primary key)", "grant select on private.docs to anon",
		"insert into private.docs values (1)")
	rel, s := l.relation("private.docs"), l.subject("anon", "{}")
	changes := inserts(rel, l.rows(rel, ""))
	if v := l.view(rel, s); columnsOf(v) != "" || !v.Denied || !v.NoUsage {
		t.Errorf("without row-level security: %+v; want no column", v)
	}
	l.Exec("alter table private.docs enable row level security; create policy all_of_it on private.docs using (true)")
	rel = l.relation("private.docs")
	changes[0].Relation = rel
	l.view(rel, s)
	if v := l.verdict(rel, s); v != Ask {
		t.Errorf("verdict %v; want ask", v)
	}
	seen, errs, err := l.policy.Visible(t.Context(), s, changes)
	if err != nil || seen[0] || errs[0] == nil || errs[0].Error() != "permission denied for schema private" {
		t.Errorf("Visible = %v, %v, %v", seen, errs, err)
	}
}

func TestATableThatWasRenamedIsAskedByItsNewName(t *testing.T) {
	l := newLab(t, docsSQL, "create policy odd on docs using (id % 2 = 1)")
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	changes := inserts(rel, l.rows(rel, "order by id"))
	l.ask(rel, s)
	l.Exec("alter table docs rename to papers")
	if got := l.visible(s, changes); !slices.Equal(got, []bool{true, false, true, false}) {
		t.Errorf("Visible = %v", got)
	}
}

func TestVisibleWithoutADatabaseIsAnError(t *testing.T) {
	l := newLab(t, docsSQL, "create policy odd on docs using (id % 2 = 1)")
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	changes := inserts(rel, l.rows(rel, ""))
	l.ask(rel, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if seen, errs, err := l.policy.Visible(ctx, s, changes); err == nil {
		t.Errorf("Visible = %v, %v; want an error", seen, errs)
	}
}
