package policy

import (
	"slices"
	"strings"
	"testing"

	"walcast/replication/wal"
)

func TestPoliciesThatNobodyCanJudgeAreToldOf(t *testing.T) {
	l := newLab(t, `create table gen (id int, a int, twice int generated always as (a * 2) stored); alter table gen enable row level security;
		create policy even on gen using (twice > 10); grant all on gen to anon; insert into gen (id, a) values (1, 30)`)
	s := l.subject("anon", "{}")
	published := func() *wal.Relation {
		rel := *l.relation("gen")
		rel.Columns = slices.DeleteFunc(slices.Clone(rel.Columns), func(c wal.Column) bool { return c.Name == "twice" })
		return &rel
	}
	rel := published()
	v := l.view(rel, s)
	err := l.policy.Unjudged(v, s)
	if err == nil || !strings.Contains(err.Error(), "twice, which is not published") {
		t.Errorf("Unjudged = %v", err)
	}
	changes := inserts(rel, l.rows(rel, ""))
	seen, errs, e := l.policy.Visible(t.Context(), s, changes)
	if e != nil || seen[0] || errs[0] == nil || errs[0].Error() != err.Error() {
		t.Errorf("Visible = %v, %v, %v; want what Unjudged says", seen, errs, e)
	}
	l.Exec("alter table gen add primary key (id)")
	rel = published()
	if err := l.policy.Unjudged(l.view(rel, s), s); err != nil {
		t.Errorf("Unjudged = %v of a table with a key", err)
	}
	l.Exec("drop policy even on gen; create policy all_of_it on gen using (a > 10)")
	rel = published()
	if err := l.policy.Unjudged(l.view(rel, s), s); err != nil {
		t.Errorf("Unjudged = %v of a policy that is compiled", err)
	}
}
