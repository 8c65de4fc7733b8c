package policy

import (
	"slices"
	"strings"
	"testing"

	"walcast/filters"
)

func TestLiteralsAreReadAsTheSubject(t *testing.T) {
	l := newLab(t, `
		create function asker(text) returns bool language plpgsql as $$ begin
			if $1 = 'who' and current_user <> 'anon' then raise 'read as %', current_user; end if; return true;
		end $$;
		create domain asked as text check (asker(value))`)
	o, s := NewOperators(l.Pool, nil), l.subject("anon", "{}")
	for _, call := range []filters.Call{
		{Schema: "public", Type: "asked", Literal: "who"},
		{Schema: "public", Type: "asked", Op: filters.Eq, Value: "who", Literal: "who"},
	} {
		answers, err := o.Ask(t.Context(), s, []filters.Call{call})
		if err != nil || answers[0].Err != nil {
			t.Errorf("Ask(%+v) = %+v, %v", call, answers, err)
		}
		answers, err = o.Ask(t.Context(), nil, []filters.Call{call})
		if err != nil || answers[0].Err == nil || answers[0].Err.SQLState != codeInsufficientPrivilege {
			t.Errorf("Ask(%+v) as nobody = %+v, %v; want it refused", call, answers, err)
		}
	}
	for _, role := range []string{"none", "", "no_such_role"} {
		answers, err := o.Ask(t.Context(), &Subject{Role: role}, []filters.Call{{Schema: "pg_catalog", Type: "int4", Literal: "1"}})
		if err != nil || answers[0].Err == nil {
			t.Errorf("Ask as %q = %+v, %v; want it refused", role, answers, err)
		}
	}
}

// A policy's literal is read when the statement is parsed.
func TestLiteralsOfPoliciesAreReadAsTheSubject(t *testing.T) {
	l := newLab(t, docsSQL, `
		create function asker(int) returns bool language plpgsql as 'begin return true; end';
		create domain asked as int check (asker(value)); create type pair as (a asked, b int);
		create policy pairs on docs using (row(id, 1)::pair = '(1,1)'::pair);
		create or replace function asker(int) returns bool language plpgsql as $$ begin
			if current_user <> 'anon' then raise 'read as %', current_user; end if; return true;
		end $$`)
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	if got := l.visible(s, inserts(rel, l.rows(rel, "order by id"))); !slices.Equal(got, []bool{true, false, false, false}) {
		t.Errorf("Visible = %v", got)
	}
}

func TestCodeOfUsersLeavesNoSettingBehind(t *testing.T) {
	l := newLab(t, docsSQL, `
		create function sets_path(int) returns bool language plpgsql as $$ begin
			perform set_config('DateStyle', 'German', false), set_config('search_path', 'auth', false), set_config('my.note', 'x', false), set_config('role', 'none', false);
			return true;
		end $$;
		create policy setting on docs using (sets_path(id)); create domain checked as int check (sets_path(value))`)
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	settings := func() (all string) {
		err := l.Pool.QueryRow(t.Context(), `select concat_ws(', ', current_setting('DateStyle'), current_setting('search_path'),
			coalesce(current_setting('my.note', true), ''), current_user)`).Scan(&all)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := settings()
	l.ask(rel, s)
	l.visible(s, inserts(rel, l.rows(rel, "")))
	if _, err := NewOperators(l.Pool, nil).Ask(t.Context(), s, []filters.Call{{Schema: "public", Type: "checked", Literal: "1"}}); err != nil {
		t.Fatal(err)
	}
	if after := settings(); after != before || l.Pool.Stat().TotalConns() != 1 {
		t.Errorf("settings %q before, %q after, on %d connections", before, after, l.Pool.Stat().TotalConns())
	}
}

// Prepared statements outlive a rollback, and anybody may make one of any name.
func TestCodeOfUsersDoesNotAnswerForOthers(t *testing.T) {
	l := newLab(t, docsSQL, crowdSQLOf("papers"), `
		create function forge(int) returns bool language plpgsql as $$ declare name text; begin
			for name in select p.name from pg_prepared_statements as p where p.name like 'walcast%' loop
				execute format('deallocate %I', name);
				execute format('prepare %I as select generate_series(1, 1000)', name);
			end loop;
			return true;
		end $$;
		create policy own on papers using (owner = auth.uid()); create policy forging on docs using (forge(id)); create domain forged as int check (forge(value))`)
	docs, papers := l.relation("docs"), l.relation("papers")
	mallory, victims := l.subject("anon", "{}"), l.crowd(papers, 5, 10)
	victims[0].Changes = victims[1].Changes
	l.ask(docs, mallory)
	forging := &Inquiry{Subject: mallory, Changes: inserts(docs, l.rows(docs, "where id < 3"))}
	for range 2 {
		if _, err := l.policy.VisibleAll(t.Context(), append([]*Inquiry{victims[0], forging}, victims[1:]...)); err != nil {
			t.Fatal(err)
		}
		for i, q := range victims {
			for id, seen := range q.Visible {
				if seen != (id == i) || q.Errs[id] != nil {
					t.Errorf("subject %d, row %d: visible %t, %v", i, id, seen, q.Errs[id])
				}
			}
		}
		if len(forging.Errs) != 2 || slices.Contains(forging.Visible, true) {
			t.Errorf("who forges sees %v, %v", forging.Visible, forging.Errs)
		}
		if _, err := NewOperators(l.Pool, nil).Ask(t.Context(), mallory, []filters.Call{{Schema: "public", Type: "forged", Literal: "1"}}); err != nil {
			t.Fatal(err)
		}
	}
}

func crowdSQLOf(table string) string { return strings.ReplaceAll(crowdSQL, "docs", table) }

// What code of users takes back is the rights of the user that it is asked as.
func TestAskingMayBeLeftToAUserWithoutRights(t *testing.T) {
	l := newLab(t, docsSQL, `
		create table secrets (id int); insert into secrets values (1);
		create function climb(int) returns bool language plpgsql as $$ begin
			perform set_config('role', 'none', true);
			return exists (select from secrets);
		end $$;
		create policy climbing on docs using (climb(id))`)
	login := l.role("asker", "login")
	l.Exec("grant anon to " + login)
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	l.over(l.loginPool(login))
	l.ask(rel, s)
	seen, errs, err := l.policy.Visible(t.Context(), s, inserts(rel, l.rows(rel, "")))
	if err != nil || slices.Contains(seen, true) || len(errs) != 4 {
		t.Errorf("Visible = %v, %v, %v; want secrets to be out of reach", seen, errs, err)
	}
}
