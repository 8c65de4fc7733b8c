package policy

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/filters"
	"walcast/replication/wal"
)

const ownSQL = docsSQL + `; create policy own on docs to authenticated using ((select auth.uid()) = owner)`

func text(values ...string) wal.Row {
	row := make(wal.Row, len(values))
	for i, v := range values {
		row[i] = wal.Value{Kind: wal.Text, Text: v}
		if v == "" {
			row[i] = wal.Value{Kind: wal.Null}
		}
	}
	return row
}

func TestGuardHasOneConditionForEachSubject(t *testing.T) {
	l := newLab(t, ownSQL)
	rel := l.relation("docs")
	first, second, anon := l.subject("authenticated", user1), l.subject("authenticated", user2), l.subject("anon", user1)
	nobody, bad := l.subject("authenticated", "{}"), l.subject("authenticated", `{"sub":"nobody"}`)
	for _, s := range []*Subject{first, anon} { // one of each role is enough
		l.view(rel, s)
	}
	row := text("1", "00000000-0000-4000-8000-000000000001", "7", "x", "1")
	for _, c := range []struct {
		s    *Subject
		want bool
	}{{first, true}, {second, false}, {anon, false}, {nobody, false}} {
		if v := l.verdict(rel, c.s); v != Compiled {
			t.Fatalf("%s %s: verdict %v", c.s.Role, c.s.Claims, v)
		}
		e := l.policy.Guard(c.s).Where(rel, wal.Insert)
		if e == nil || (e.Eval(row) == filters.True) != c.want {
			t.Errorf("%s %s: where %v; want %t", c.s.Role, c.s.Claims, e, c.want)
		}
	}
	if l.policy.Guard(first).Where(rel, wal.Truncate) != nil {
		t.Error("TRUNCATE is guarded")
	}
	// For DELETE the key alone does not tell whose row it was, except that
	// nobody without a claim or a policy ever saw one.
	old := wal.Row{{Kind: wal.Text, Text: "1"}, {}, {}, {}, {}}
	for s, want := range map[*Subject]bool{first: true, second: true, anon: false, nobody: false} {
		e := l.policy.Guard(s).Where(rel, wal.Delete)
		if got := e == nil || e.Eval(old) == filters.True; got != want {
			t.Errorf("DELETE for %s %s: %t; want %t", s.Role, s.Claims, got, want)
		}
	}
	if v := l.verdict(rel, bad); v != Ask || l.policy.Guard(bad).Where(rel, wal.Insert) != nil {
		t.Errorf("a claim that is no uuid: verdict %v; want Postgres to raise", v)
	}
	if _, errs, err := l.policy.Visible(t.Context(), bad, inserts(rel, []wal.Row{row})); err != nil || errs[0] == nil {
		t.Errorf("and it did not: %v, %v", errs, err)
	}
	if seen := l.visible(first, inserts(rel, []wal.Row{row, text("2", "", "", "", "")})); !slices.Equal(seen, []bool{true, false}) {
		t.Errorf("Visible of what is compiled = %v", seen)
	}
	if n := measured(t, l.metrics, "walcast_policy_asks_total"); n != 1 {
		t.Errorf("%v statements; want one, for the claim that raises", n)
	}
}

func TestAPolicyOnAColumnThatMayBeMissingIsAskedForNullsOnly(t *testing.T) {
	l := newLab(t, docsSQL, "create policy by_body on docs using (body = 'x')")
	s := l.subject("anon", "{}")
	verdict := func() Verdict {
		rel := l.relation("docs")
		l.view(rel, s)
		return l.verdict(rel, s)
	}
	if v := verdict(); v != Compiled {
		t.Errorf("comparison: %v", v)
	}
	l.Exec("drop policy by_body on docs; create policy by_body on docs using (body is not null)")
	if v := verdict(); v != Ask {
		t.Errorf("IS NOT NULL, value may be absent: %v", v)
	}
	l.Exec("alter table docs replica identity full")
	if v := verdict(); v != Compiled {
		t.Errorf("IS NOT NULL, value always there: %v", v)
	}
}

func TestGuardsAreNotTrustedWhenAnIndexMayHaveOtherRules(t *testing.T) {
	l := newLab(t, docsSQL)
	editor := l.role("editor", "nologin")
	reader := l.role("reader", "nologin")
	l.Exec("create policy team on docs to " + editor + " using (org = 7)")
	l.Exec("grant all on docs to " + reader)
	now := time.Now()
	l.policy.now = func() time.Time { return now }
	rel, s := l.relation("docs"), l.subject(reader, "{}")
	changes := inserts(rel, l.rows(rel, "order by id"))
	before := l.view(rel, s)
	if e := l.policy.Guard(s).Where(rel, wal.Insert); e.Eval(changes[0].New) == filters.True {
		t.Fatal("visible without any policy")
	}

	l.Exec("grant " + editor + " to " + reader) // no Relation message tells of this
	now = now.Add(time.Minute)
	after := l.view(rel, s)
	if after.Epoch != before.Epoch+1 {
		t.Errorf("epoch %d after %d", after.Epoch, before.Epoch)
	}
	if v := l.policy.Verdict(before, s); v != Ask {
		t.Errorf("verdict %v; want ask, as who goes by the old view may have the old condition", v)
	}
	if v := l.policy.Verdict(after, s); v != Compiled {
		t.Errorf("verdict %v; want compiled: who has the new view has asked anew", v)
	}
	if seen := l.visible(s, changes); !slices.Equal(seen, []bool{true, false, true, false}) {
		t.Errorf("Visible = %v", seen)
	}
	if e := l.policy.Guard(s).Where(rel, wal.Insert); e.Eval(changes[0].New) != filters.True {
		t.Error("who asks the guard anew gets the old condition")
	}
	if v := l.policy.Verdict(&View{Relation: l.relation("docs")}, s); v != Ask {
		t.Errorf("verdict %v before anything is known", v)
	}

	renewed := l.relation("docs")
	if l.policy.Guard(s).Where(renewed, wal.Insert) != nil {
		t.Error("a condition on a relation that nothing is known of")
	}
	if view, ok := l.policy.Known(renewed, s); ok {
		t.Errorf("Known = %+v before anything is read", view)
	}
	l.view(renewed, s)
	if view, ok := l.policy.Known(renewed, s); !ok || view.Since != 0 {
		t.Errorf("Known = %+v, %t; want the first view, of all rows", view, ok)
	}
	if after.Since == 0 {
		t.Error("a view that has changed is of all rows; want it to be of those from then on")
	}
}

func TestWhatIsKnownOfARelationGoesWithIt(t *testing.T) {
	l := newLab(t, ownSQL)
	s := l.subject("authenticated", user1)
	stays := l.relation("docs")
	for range 20 {
		rel := l.relation("docs")
		l.view(rel, s)
		l.policy.Guard(s).Where(rel, wal.Insert)
	}
	l.view(stays, s)
	l.policy.Guard(s).Where(stays, wal.Insert)
	known := func() int {
		l.policy.tables.mu.RLock()
		defer l.policy.tables.mu.RUnlock()
		return len(l.policy.tables.known)
	}
	for deadline := time.Now().Add(10 * time.Second); known() > 1; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d relations are remembered; want 1", known())
		}
	}
	if v := l.verdict(stays, s); v != Compiled {
		t.Errorf("verdict %v on the relation that is still there", v)
	}
	if n := measured(t, l.metrics, "walcast_policy_views"); n != 1 {
		t.Errorf("%v views counted; want 1", n)
	}
}

func TestSessionsThatReadNamesInAnotherWayAreNotTrusted(t *testing.T) {
	l := newLab(t, ownSQL, "create schema shadow; grant usage on schema shadow to public")
	s := l.subject("authenticated", user1)
	for setting, want := range map[string]Verdict{
		"search_path = '$user', public":                                  Compiled,
		"search_path = pg_catalog, public":                               Compiled,
		"search_path = shadow, public, pg_catalog":                       Ask,
		"request.jwt.claim.sub = '00000000-0000-4000-8000-000000000002'": Ask,
		"request.jwt.claims = '{\"sub\":\"nobody\"}'":                    Compiled,
	} {
		l.Exec("alter database " + l.Name + " set " + setting)
		l.policy.pool = l.loginPool("postgres")
		rel := l.relation("docs")
		l.view(rel, s)
		if v := l.verdict(rel, s); v != want {
			t.Errorf("with %s: verdict %v; want %v", setting, v, want)
		}
		changes := inserts(rel, l.rows(rel, "order by id"))
		other := strings.HasPrefix(setting, "request.jwt.claim.sub") // then auth.uid() is somebody else
		if seen := l.visible(s, changes); seen[0] == other || seen[1] != other {
			t.Errorf("with %s: Visible = %v", setting, seen)
		}
		l.Exec("alter database " + l.Name + " reset all")
	}
}
