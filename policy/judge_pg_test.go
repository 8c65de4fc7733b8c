package policy

import (
	"errors"
	"strings"
	"testing"

	"walcast/filters"
	"walcast/replication/wal"
)

// TestAJudgeSaysWhatEachPolicyMakesOfARow that need not be in the table.
func TestAJudgeSaysWhatEachPolicyMakesOfARow(t *testing.T) {
	l := newLab(t, `create table notes (id int primary key, owner uuid, org text, hidden boolean);
		create table members (org text, who uuid); grant select on notes, members to authenticated;
		alter table notes enable row level security;
		create function boom(text) returns boolean language plpgsql as $$ begin raise exception 'no %', $1 using errcode = 'P0077'; end $$;
		create policy "1 own" on notes for select to authenticated using (owner = auth.uid());
		create policy "2 org" on notes for select using (org in (select org from members where who = auth.uid()));
		create policy "3 not hidden" on notes as restrictive for select using (not hidden);
		create policy "4 boom" on notes for select using (boom(org));
		create policy "5 system" on notes for select using (ctid is not null);
		create policy "6 whole" on notes for select using (notes is not null);
		create policy "for others" on notes for select to anon using (true);
		create policy "for writing" on notes for insert to authenticated with check (true)`)
	rel := l.relation("notes")
	s := l.subject("authenticated", `{"sub":"00000000-0000-4000-8000-000000000001","role":"authenticated"}`)
	judge, err := l.policy.Judge(t.Context(), rel, s)
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) wal.Value { return wal.Value{Kind: wal.Text, Text: s} }
	row := wal.Row{text("1"), text("00000000-0000-4000-8000-000000000001"), text(`a "b\`), {Kind: wal.Null}}
	want := []struct {
		name       string
		permissive bool
		truth      filters.Truth
		raised     string
	}{
		{"1 own", true, filters.True, ""},
		{"2 org", true, filters.False, ""},
		{"3 not hidden", false, filters.Unknown, ""},
		{"4 boom", true, filters.Undecided, `P0077 no a "b\`},
		{"5 system", true, filters.Undecided, "0A000 it reads what only a row in the table has, or the search_path does not begin with pg_catalog"},
		{"6 whole", true, filters.False, ""},
	}
	all := judge.Policies()
	if len(all) != len(want) {
		t.Fatalf("it has the policies %+v", all)
	}
	for i, w := range want {
		truth, err := judge.Holds(t.Context(), all[i], row)
		raised := ""
		var ask *AskError
		if errors.As(err, &ask) {
			raised = ask.SQLState + " " + ask.Text()
		} else if err != nil {
			t.Fatal(err)
		}
		if all[i].Name != w.name || all[i].Permissive != w.permissive || truth != w.truth || raised != w.raised {
			t.Errorf("policy %+v: %v, %q; want %+v", all[i], truth, raised, w)
		}
	}
	if truth, err := judge.Holds(t.Context(), all[0], wal.Row{text("1"), {}, {}, {}}); truth != filters.Undecided || err == nil || !strings.Contains(err.Error(), "it reads owner, which the WAL does not have") {
		t.Errorf("of a row without the column it says %v, %v", truth, err)
	}
	if truth, err := judge.Holds(t.Context(), RowFilter("p", "(id > 1)", []int16{1}), row); truth != filters.False || err != nil {
		t.Errorf("of a row filter it says %v, %v", truth, err)
	}
}

// TestAJudgeRunsPoliciesAsTheSubject, read only, and nothing of it stays.
func TestAJudgeRunsPoliciesAsTheSubject(t *testing.T) {
	l := newLab(t, `create table notes (id int primary key); grant select on notes to authenticated; alter table notes enable row level security;
		create table written (id int); grant insert on written to authenticated;
		create function who() returns boolean language plpgsql as $$ begin
			perform set_config('my.mark', 'set', false); return current_user = 'authenticated' and current_setting('transaction_read_only') = 'on'; end $$;
		create function write() returns boolean language plpgsql as $$ begin insert into written values (1); return true; end $$;
		create function meddle() returns boolean language plpgsql as $$ begin execute 'prepare meddled as select 1'; return true; end $$;
		create policy "1 who" on notes for select using (who());
		create policy "2 write" on notes for select using (write());
		create policy "3 meddle" on notes for select using (meddle())`)
	s := l.subject("authenticated", `{"role":"authenticated"}`)
	judge, err := l.policy.Judge(t.Context(), l.relation("notes"), s)
	if err != nil {
		t.Fatal(err)
	}
	row := wal.Row{{Kind: wal.Text, Text: "1"}}
	if truth, err := judge.Holds(t.Context(), judge.Policies()[0], row); truth != filters.True || err != nil {
		t.Errorf("as whom and how it runs is not as it should be: %v, %v", truth, err)
	}
	var ask *AskError
	if truth, err := judge.Holds(t.Context(), judge.Policies()[1], row); truth != filters.Undecided || !errors.As(err, &ask) || ask.SQLState != "25006" {
		t.Errorf("a policy that writes gets %v, %v", truth, err)
	}
	if truth, err := judge.Holds(t.Context(), judge.Policies()[2], row); truth != filters.Undecided || !errors.As(err, &ask) || ask.SQLState != codeDuplicateStatement {
		t.Errorf("a policy that prepares statements gets %v, %v", truth, err)
	}
	for range 3 { // on each connection
		var mark *string
		if err := l.policy.pool.QueryRow(t.Context(), "select current_setting('my.mark', true)").Scan(&mark); err != nil || mark != nil && *mark != "" {
			t.Errorf("a setting stays: %v, %v", mark, err)
		}
	}
	if _, err := l.policy.Judge(t.Context(), l.relation("notes"), l.subject("nobody_at_all", "{}")); !errors.Is(err, ErrUnknownRole) {
		t.Errorf("of a role that there is none of it says %v", err)
	}
}
