package policy

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"walcast/replication/wal"
)

func TestViewShowsWhatTheRoleMaySelect(t *testing.T) {
	l := newLab(t, `
		create table own (id int primary key, a text, b text);
		create table two (b text, a int, v text, primary key (a, b));
		create table nopk (a int, b text);
		create table "Odd Name" ("Id" int primary key, "quo""te" text, gone int, "ünï" text);
		alter table "Odd Name" drop column gone;
		create table none (id int primary key, a text);
		grant select on own to anon; grant select (id, a) on own to authenticated;
		grant select (a) on two to anon; grant select (a, b) on two to authenticated;
		grant select (b) on nopk to anon; grant select ("Id", "ünï") on "Odd Name" to anon;
		grant insert, update, delete on none to anon`)
	public := l.role("reader", "")
	l.Exec("grant select on none to public")
	for _, c := range []struct {
		table, role, columns string
		denied               bool
	}{
		{"own", "anon", "id,a,b", false},
		{"own", "authenticated", "id,a", false},
		{"own", "service_role", "", true},
		{"own", "postgres", "id,a,b", false},
		{"two", "anon", "a", true},
		{"two", "authenticated", "b,a", false},
		{"nopk", "anon", "b", false},
		{"nopk", "authenticated", "", true},
		{"Odd Name", "anon", "Id,ünï", false},
		{"none", public, "id,a", false},
	} {
		got := l.view(l.relation(c.table), l.subject(c.role, "{}"))
		if columnsOf(got) != c.columns || got.Denied != c.denied || got.RowSecurity {
			t.Errorf("View(%s, %s) = %q, denied %t, row security %t; want %q, %t, false",
				c.table, c.role, columnsOf(got), got.Denied, got.RowSecurity, c.columns, c.denied)
		}
	}
}

func TestViewKnowsWhoIsAboveRowSecurity(t *testing.T) {
	l := newLab(t, "create table docs (id int primary key)", "alter table docs enable row level security",
		"create table forced (id int primary key)", "alter table forced enable row level security", "alter table forced force row level security")
	owner := l.role("owner", "nologin")
	heir := l.role("heir", "nologin inherit in role "+owner)
	member := l.role("member", "nologin noinherit in role "+owner)
	bypass := l.role("bypass", "nologin bypassrls")
	inBypass := l.role("in_bypass", "nologin inherit in role "+bypass)
	super := l.role("super", "nologin superuser")
	plain := l.role("plain", "nologin")
	l.Exec("alter table docs owner to " + owner)
	l.Exec("alter table forced owner to " + owner)
	for _, table := range []string{"docs", "forced"} {
		for role, want := range map[string]bool{
			owner: table == "forced", heir: table == "forced", member: true, bypass: false, inBypass: true, super: false, plain: true,
		} {
			got := l.view(l.relation(table), l.subject(role, "{}")).RowSecurity
			if got != want {
				t.Errorf("View(%s, %s).RowSecurity = %t; want %t", table, role, got, want)
			}
			var active bool
			tx, err := l.Pool.Begin(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(context.Background(), "set local role "+role)
			if err == nil {
				err = tx.QueryRow(context.Background(), "select row_security_active('"+table+"')").Scan(&active)
			}
			_ = tx.Rollback(context.Background())
			if err != nil || active != got {
				t.Errorf("row_security_active(%s) as %s = %t, %v; we say %t", table, role, active, err, got)
			}
		}
	}
}

func TestViewOfAnUnknownRole(t *testing.T) {
	l := newLab(t, "create table docs (id int primary key)")
	rel := l.relation("docs")
	for _, role := range []string{"no_such_role", "none", "", `no"pe`} {
		_, err := l.policy.View(t.Context(), rel, l.subject(role, "{}"))
		if !errors.Is(err, ErrUnknownRole) || err.Error() != `role "`+role+`" does not exist` {
			t.Errorf("View as %q: %v", role, err)
		}
		seen, errs, err := l.policy.Visible(t.Context(), l.subject(role, "{}"), inserts(rel, []wal.Row{{{Kind: wal.Text, Text: "1"}}}))
		if err != nil || len(errs) > 0 || seen[0] {
			t.Errorf("Visible as %q = %v, %v, %v; want nothing seen", role, seen, errs, err)
		}
	}
}

func TestViewIsReadAgainForANewRelationOrWhenRolesMayHaveChanged(t *testing.T) {
	l := newLab(t, "create table docs (id int primary key, a text)")
	now := time.Now()
	l.policy.now = func() time.Time { return now }
	s, rel := l.subject("anon", "{}"), l.relation("docs")
	if got := columnsOf(l.view(rel, s)); got != "" {
		t.Fatalf("columns %q before any grant", got)
	}
	l.Exec("grant select (a) on docs to anon")
	if got := columnsOf(l.view(rel, s)); got != "" {
		t.Errorf("columns %q of a relation that is known", got)
	}
	renewed := l.relation("docs")
	if got := columnsOf(l.view(renewed, s)); got != "a" {
		t.Errorf("columns %q of a new relation; want a", got)
	}

	l.Exec("revoke select (a) on docs from anon")
	now = now.Add(l.policy.config.AccessAge - time.Millisecond)
	if got := columnsOf(l.view(renewed, s)); got != "a" {
		t.Errorf("columns %q within access-age; want a", got)
	}
	now = now.Add(time.Millisecond)
	if got := columnsOf(l.view(renewed, s)); got != "" {
		t.Errorf("columns %q after access-age; want none", got)
	}
}

func TestViewIsNeverOlderThanItMayBe(t *testing.T) {
	l := newLab(t, "create table docs (id int primary key)")
	now := time.Now()
	l.policy.now = func() time.Time { return now }
	s, rel := l.subject("anon", "{}"), l.relation("docs")
	l.view(rel, s)
	now = now.Add(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as good as a database that is away
	if v, err := l.policy.View(ctx, rel, s); err == nil {
		t.Errorf("View = %+v without a database", v)
	}
}

func TestViewReadsTheCatalogOnceHoweverManyAsk(t *testing.T) {
	l := newLab(t, "create table docs (id int primary key)")
	s, rel := l.subject("anon", "{}"), l.relation("docs")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := l.policy.View(context.Background(), rel, s); err != nil {
				t.Errorf("View: %v", err)
			}
		})
	}
	wg.Wait()
	if n := measured(t, l.metrics, "walcast_policy_loads_total"); n != 1 {
		t.Errorf("%v loads; want 1", n)
	}
}

func TestNothingIsShownOfATableThatIsGone(t *testing.T) {
	l := newLab(t, "create table docs (id int primary key)", "grant select on docs to anon")
	s, rel := l.subject("anon", "{}"), l.relation("docs")
	l.Exec("drop table docs")
	v := l.view(rel, s)
	if columnsOf(v) != "" || v.Denied || l.verdict(rel, s) != Ask {
		t.Errorf("View = %+v, verdict %v", v, l.verdict(rel, s))
	}
	if seen := l.visible(s, inserts(rel, []wal.Row{{{Kind: wal.Text, Text: "1"}}})); seen[0] {
		t.Error("a row of it is visible")
	}
}

// A busy machine may take seconds to read a table's rules for the first time, while a look
// at all others begins and ends. What it has not compared would be believed until the next.
func TestARuleThatIsReadSlowlyIsNotOlderThanTheLookMeanwhile(t *testing.T) {
	l := newLab(t, ownSQL)
	l.watching()
	l.confirm()
	docs, s := l.relation("docs"), l.subject("anon", user1)
	slow := func(ctx context.Context, rel *wal.Relation, role string) (*facts, error) {
		f, err := l.policy.readCatalog(ctx, rel, role)
		l.Exec("grant select on docs to anon; create policy late on docs to anon using (true)")
		l.confirm()
		return f, err
	}
	v, unfit, err := l.policy.fetch(t.Context(), l.policy.tables.of(docs, "anon"), docs, "anon", time.Second, slow)
	if err != nil || unfit != nil {
		t.Fatalf("fetch = %v, %v", unfit, err)
	}
	if v.Denied || v.NoPolicy {
		t.Errorf("the view is %+v; want the grant and the policy that a look has passed by", v)
	}
	if known, ok := l.policy.Known(docs, s); !ok || known.NoPolicy {
		t.Errorf("what is known is %+v, %t; want the same", known, ok)
	}
}
