package diagnose

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// again has a second look at bindings of a role, and returns the codes of what does
// not work, those of warnings, and how often it asked the database.
func (l *lab) again(role, bindings string, since time.Time) (codes []string, asked int) {
	l.Helper()
	parsed, refused := l.parse(bindings)
	if refused != nil {
		l.Fatalf("%s: %+v", bindings, refused)
	}
	s := l.policy.Subject(role, fmt.Sprintf(`{"role":%q}`, role))
	defer l.policy.Release(s)
	before := l.db.Pool.Stat().AcquireCount()
	k := l.checker.BeginAgain(s, parsed, nil, since)
	for done := false; !done; {
		var err error
		if done, err = k.Step(l.Context()); err != nil {
			l.Fatal(err)
		}
	}
	found := k.Finding()
	for _, p := range found.Refusals {
		codes = append(codes, p.Code)
	}
	for _, p := range found.Warnings {
		codes = append(codes, p.Code+"?")
	}
	return append(codes, fmt.Sprint(len(found.Broken))), int(l.db.Pool.Stat().AcquireCount() - before)
}

// TestASecondLookFindsWhatHasBroken, each binding for itself.
func TestASecondLookFindsWhatHasBroken(t *testing.T) {
	const all = `{"event":"*","schema":"public","table":"t"},{"event":"UPDATE","schema":"public","table":"t","filter":"note=eq.a"},
		{"event":"INSERT","schema":"public","table":"other","select":["id","more"]}`
	const made = keyed + `create table other (id int primary key, more int); grant select on other to anon; create publication rows for table t, other`
	for name, c := range map[string]struct {
		breaks string
		want   []string
	}{
		"nothing":             {`select 1`, []string{"0"}},
		"a table leaves":      {`alter publication rows drop table t`, []string{"not_published", "not_published", "2"}},
		"a column is dropped": {`alter table t drop column note`, []string{"unknown_column", "1"}},
		"a column is renamed": {`alter table other rename more to less`, []string{"unknown_column", "1"}},
		"a type is changed":   {`alter table t alter note type uuid using gen_random_uuid()`, []string{"invalid_value", "1"}},
		"SELECT is revoked":   {`revoke select on t from anon`, []string{"column_not_granted", "not_granted?", "1"}},
		"the publication":     {`drop publication rows`, []string{"publication_missing", "publication_missing", "publication_missing", "3"}},
		"kinds of changes":    {`alter publication rows set (publish = 'update')`, []string{"event_not_published?", "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, made)
			l.checker.believed = time.Hour
			if found := l.check("anon", all); found.Refused != nil {
				t.Fatalf("before: %+v", found)
			}
			l.db.Exec(c.breaks)
			got, _ := l.again("anon", all, time.Now())
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", c.breaks, diff)
			}
		})
	}
}

// TestASecondLookCostsByTablesAndRoles looks again at many bindings with filters of
// their own.
func TestASecondLookCostsByTablesAndRoles(t *testing.T) {
	l := newLab(t, keyed+`create publication rows for table t`)
	since := time.Now()
	first := 0
	for i := range 20 {
		binding := fmt.Sprintf(`{"event":"*","schema":"public","table":"t","filter":"id=eq.%d"}`, i)
		if codes, asked := l.again("anon", binding, since); i == 0 {
			first = asked
		} else if asked > 0 || len(codes) != 1 {
			t.Fatalf("binding %d: %v, asked %d times; want none but the first one's %d", i, codes, asked, first)
		}
	}
	if first == 0 {
		t.Error("the first look asked nothing")
	}
}
