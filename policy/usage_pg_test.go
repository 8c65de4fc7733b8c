package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"walcast/filters"
	"walcast/replication/wal"
)

// usageSQL has policies over names in schemas of their own.
const usageSQL = `
	create schema app; create schema lib; grant usage on schema app, lib to anon, authenticated;
	create type app.mood as enum ('sad', 'ok', 'mad'); create domain app.score as int check (value < 1000); create type app.pair as (a app.score, b int);
	create table app.members (room int primary key, usr text); insert into app.members values (1, 'anon'), (2, 'authenticated'), (3, 'anon');
	create table app.secured (room int primary key); insert into app.secured values (1), (4); alter table app.secured enable row level security;
	create policy all_of_it on app.secured using (lib.even(room) or room = 1);
	grant select on app.members, app.secured to anon, authenticated;
	create table docs (id int primary key, room int, mood app.mood, score app.score, body text collate lib.plain);
	create table loose (id int, room int, mood app.mood, score app.score, body text collate lib.plain);
	alter table docs enable row level security; alter table loose enable row level security; grant select on docs, loose to anon, authenticated;
	insert into docs select i, i % 5, (array['sad', 'ok', 'mad', null])[1 + i % 4]::app.mood, i * 10, repeat('x', i) from generate_series(1, 12) as i;
	insert into loose select * from docs;`

const usageFirstSQL = `create schema lib; create collation lib.plain from "C"; create function lib.even(int) returns bool language plpgsql stable as 'begin return $1 % 2 = 0; end'`

// usagePolicies are the conditions.
var usagePolicies = []string{
	"mood = 'ok'", "mood > 'sad' and length(body) > 2", "room in (select room from app.members where usr = current_user)", "exists (select from app.secured as s where s.room = docs.room)",
	"lib.even(room)", "lib.even(id) or mood = 'mad'", "score > 50", "row(score, 1)::app.pair is distinct from row(10, 1)::app.pair", "score::app.score < 70 and length(body) > 1",
	"body > ('xx' collate lib.plain)", "length(body) > 3",
}

// Whatever may no longer be named, rows are seen that Postgres shows, or their
// subject is told that nobody can judge them.
func TestVisibilityIsThatOfPostgresWhateverMayBeNamed(t *testing.T) {
	l := newLab(t, usageFirstSQL, strings.Replace(usageSQL, "create schema lib; ", "", 1))
	login := l.role("login", "login")
	l.Exec("grant anon, authenticated to " + login)
	l.over(l.loginPool(login))
	l.watching()
	names := []string{"usage on schema app", "usage on schema lib", "execute on function lib.even(int)", "select on app.members", "usage on type app.mood"}
	l.Exec("revoke execute on function lib.even(int) from public; revoke usage on type app.mood from public")
	unjudged, rows, raised := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		l.dropPolicies()
		l.Exec("do $$ declare p record; begin for p in select polname from pg_policy where polrelid = 'loose'::regclass loop execute format('drop policy %I on loose', p.polname); end loop; end $$")
		for _, who := range []string{"anon", "authenticated", login} {
			for _, name := range names {
				l.Exec(fmt.Sprintf("grant %s to %s", name, who))
			}
		}
		var history []string
		for i := range rapid.IntRange(1, 2).Draw(t, "policies") {
			using := rapid.SampledFrom(usagePolicies).Draw(t, "using")
			for _, table := range []string{"docs", "loose"} {
				sql := fmt.Sprintf("create policy p%d on %s using (%s)", i, table, strings.ReplaceAll(using, "docs.", table+"."))
				l.Exec(sql)
				history = append(history, sql)
			}
		}
		rels := []*wal.Relation{l.relation("docs"), l.relation("loose")}
		all := map[*wal.Relation][]*wal.Change{}
		for _, rel := range rels {
			all[rel] = inserts(rel, l.rows(rel, "order by id"))
		}
		for range rapid.IntRange(1, 2).Draw(t, "steps") {
			who := rapid.SampledFrom([]string{"anon", "authenticated", login}).Draw(t, "who")
			sql := fmt.Sprintf("revoke %s from %s", rapid.SampledFrom(names).Draw(t, "what"), who)
			l.Exec(sql)
			history = append(history, sql)
			if rapid.Bool().Draw(t, "looked") {
				l.confirm()
				history = append(history, "look")
			}
			for _, role := range []string{"anon", "authenticated"} {
				s := l.policy.Subject(role, "{}")
				for _, rel := range rels {
					seen, errs := l.judged(t, s, rel, all[rel])
					want, wantErrs := l.referenceOf(s, rel.Table, len(all[rel]))
					for i := range seen {
						var ask *AskError
						known := errors.As(errs[i], &ask) && ask.SQLState == codeNotSupported && rel.Table == "loose"
						rows++
						switch {
						case known:
							unjudged++
						case wantErrs[i+1] != nil && !seen[i]:
							raised++
						case seen[i] != want[i+1] || errs[i] != nil:
							t.Fatalf("%s row %d as %s: visible %t, %v; want %t, %v\n%s", rel.Table, i+1, role, seen[i], errs[i], want[i+1], wantErrs[i+1], strings.Join(history, ";\n"))
						}
					}
				}
				l.policy.Release(s)
			}
		}
	})
	t.Logf("%d rows, %d that nobody could judge, %d raised", rows, unjudged, raised)
}

// judged judges changes as a delivery does: again, if a look has found the rules
// changed meanwhile.
func (l *lab) judged(t *rapid.T, s *Subject, rel *wal.Relation, changes []*wal.Change) ([]bool, map[int]error) {
	for {
		before := l.policy.Generation()
		if _, err := l.policy.View(context.Background(), rel, s); err != nil {
			t.Fatal(err)
		}
		seen, errs, err := l.policy.Visible(context.Background(), s, changes)
		if err != nil {
			t.Fatal(err)
		}
		if l.confirm() == before {
			return seen, errs
		}
	}
}

// referenceOf is reference for a table whose ids begin with 1.
func (l *lab) referenceOf(s *Subject, table string, ids int) (map[int]bool, map[int]error) {
	seen, errs := map[int]bool{}, map[int]error{}
	if err := l.selectAs(s, "select id from "+table, seen); err == nil {
		return seen, errs
	}
	for id := 1; id <= ids; id++ {
		if err := l.selectAs(s, fmt.Sprintf("select id from %s where id = %d", table, id), seen); err != nil {
			errs[id] = err
		}
	}
	return seen, errs
}

func TestWhoMayNotNameAnythingIsToldThatNobodyCanJudge(t *testing.T) {
	l := newLab(t, usageFirstSQL, strings.Replace(usageSQL, "create schema lib; ", "", 1), "create policy p on docs using (lib.even(room))", "create policy p on loose using (lib.even(room))",
		"revoke usage on schema lib from anon")
	login := l.role("login", "login")
	l.Exec("grant anon to " + login)
	l.over(l.loginPool(login))
	s, docs, loose := l.subject("anon", "{}"), l.relation("docs"), l.relation("loose")
	changes := inserts(docs, l.rows(docs, "where id < 3 order by id"))
	if got := l.visible(s, changes); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("Visible = %v; want the second, looked up", got)
	}
	if err := l.policy.Unjudged(l.view(docs, s), s); err != nil {
		t.Errorf("Unjudged = %v of a table with a key", err)
	}
	err := l.policy.Unjudged(l.view(loose, s), s)
	var ask *AskError
	if !errors.As(err, &ask) || !strings.Contains(err.Error(), "schema lib") || ask.Cure() != `GRANT USAGE ON SCHEMA "lib" TO "`+login+`";` {
		t.Errorf("Unjudged = %v; want it to name the schema, and the grant", err)
	}
	log := l.logs()
	before := measured(t, l.metrics, "walcast_policy_raised_total")
	_, errs, e := l.policy.Visible(t.Context(), s, inserts(loose, l.rows(loose, "where id = 2")))
	if raised := measured(t, l.metrics, "walcast_policy_raised_total") - before; raised != 1 || !strings.Contains(log.String(), "rows hidden that nobody can judge") || !strings.Contains(log.String(), "GRANT USAGE") {
		t.Errorf("%v counted; the log is %q; want the row counted, and the grant logged", raised, log.String())
	}
	if e != nil || errs[0] == nil || errs[0].Error() != err.Error() {
		t.Errorf("Visible: %v, %v; want what Unjudged says", errs, e)
	}
	l.Exec(ask.Cure())
	if err := l.policy.Unjudged(l.view(l.relation("loose"), s), s); err != nil {
		t.Errorf("after %s: Unjudged = %v", ask.Cure(), err)
	}
}

// Where our own USAGE is not enough, the subject's is asked for.
func TestTheSubjectIsGrantedUsageWhereOursIsNotEnough(t *testing.T) {
	l := newLab(t, usageFirstSQL, strings.Replace(usageSQL, "create schema lib; ", "", 1),
		"create policy p on loose using (exists (select from app.secured as s where s.room = loose.room))", "revoke usage on schema app from anon")
	s := l.subject("anon", "{}")
	var ask *AskError
	if err := l.policy.Unjudged(l.view(l.relation("loose"), s), s); !errors.As(err, &ask) || ask.Cure() != `GRANT USAGE ON SCHEMA "app" TO "anon";` {
		t.Fatalf("Unjudged = %+v; want the grant to the subject", err)
	}
	l.Exec(ask.Cure())
	if err := l.policy.Unjudged(l.view(l.relation("loose"), s), s); err != nil {
		t.Errorf("after %s: Unjudged = %v", ask.Cure(), err)
	}
}

// A client that compares a column needs no USAGE on the schema of its type.
func TestAFilterNeedsNoUsageOnTheSchemaOfAType(t *testing.T) {
	l := newLab(t, "create schema app; create type app.mood as enum ('sad', 'ok'); create domain app.score as int check (value < 1000); create domain app.high as app.score; grant usage on schema app to anon")
	login := l.role("login", "login")
	l.Exec("grant anon to " + login)
	ask := func(o *Operators, typ, value, literal string) filters.Answer {
		answers, err := o.Ask(t.Context(), l.subject("anon", "{}"), []filters.Call{{Schema: "app", Type: typ, Op: filters.Gt, Value: value, Literal: literal}})
		if err != nil {
			t.Fatal(err)
		}
		return answers[0]
	}
	own, other := NewOperators(l.Pool, nil), NewOperators(l.loginPool(login), nil)
	check := func(when string, o *Operators, types ...string) {
		t.Helper()
		for _, typ := range types {
			value, literal := "7", "5"
			if typ == "mood" {
				value, literal = "ok", "sad"
			}
			if a := ask(o, typ, value, literal); a.Err != nil || a.Truth != filters.True {
				t.Errorf("%s, %s: %+v; want true", when, typ, a)
			}
		}
	}
	check("as ourselves", own, "mood", "score", "high")
	check("as another user", other, "mood", "score", "high")
	l.Exec("revoke usage on schema app from anon")
	check("after the subject has lost USAGE", own, "mood", "score", "high")
	check("where nobody has USAGE", other, "score", "high")
	l.Exec("grant usage on schema app to anon; revoke usage on schema app from " + login)
	check("where only the subject has USAGE", other, "mood", "score", "high")
	if a := ask(own, "score", "7", "x"); a.Err == nil || a.Err.SQLState != "22P02" {
		t.Errorf("a literal that is none: %+v", a)
	}
}
