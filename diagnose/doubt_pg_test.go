package diagnose

import (
	"testing"
	"time"
)

// What was believed of a table for a moment may be true no more of one that was made anew
// since: nobody is refused by it.
func TestNobodyIsRefusedByWhatWasBelieved(t *testing.T) {
	const made = `create table notes (id int primary key, body text); grant select on notes to anon; alter publication rows add table notes`
	l := newLab(t, `create publication rows`, made)
	l.checker.believed = time.Hour
	for name, more := range map[string]string{
		"a snapshot":           `"snapshot":true`,
		"a filter":             `"filter":"body=eq.x"`,
		"selected columns":     `"select":["id","body"]`,
		"a column that is new": `"filter":"more=eq.x"`,
	} {
		const table = `{"event":"*","schema":"public","table":"notes"`
		l.check("anon", table+"}")
		l.db.Exec(`drop table notes; ` + made + `; alter table notes add column more text`)
		if found := l.check("anon", table+","+more+"}"); found.Refused != nil {
			t.Errorf("%s: refused right after the table was made anew: %s", name, found.Refused.Message)
		}
	}
}
