package policy

import (
	"slices"
	"testing"
	"time"

	"walcast/replication/wal"
)

// TestPlansDoNotOutliveWhatTheyWereMadeFor: Postgres puts policies into a plan
// when it makes it, and makes no new one when roles change.
func TestPlansDoNotOutliveWhatTheyWereMadeFor(t *testing.T) {
	l := newLab(t, docsSQL, `create table teams (org int primary key, open bool); insert into teams values (7, true);
		alter table teams enable row level security`)
	editor, reader := l.role("editor", "nologin"), l.role("reader", "nologin")
	l.Exec("grant select on docs, teams to " + reader)
	l.Exec("grant usage on schema auth, public to " + reader)
	l.Exec("create policy secret on teams to " + editor + " using (true)")
	l.Exec("create policy team on docs using (exists (select from teams where teams.org = docs.org))")
	now := time.Now()
	l.policy.now = func() time.Time { return now }
	s, rel := l.subject(reader, "{}"), l.relation("docs")
	rows := l.rows(rel, "where id < 3 order by id")
	keys := make([]wal.Row, len(rows))
	for i := range rows { // all else is unchanged, and not in the WAL
		keys[i] = append(wal.Row{rows[i][0]}, make(wal.Row, len(rows[i])-1)...)
	}
	for _, member := range []bool{true, false, true} {
		sql := "revoke " + editor + " from " + reader
		if member {
			sql = "grant " + editor + " to " + reader
		}
		l.Exec(sql)
		now = now.Add(l.policy.config.AccessAge)
		want := []bool{member, false}
		if got := l.visible(s, inserts(rel, rows)); !slices.Equal(got, want) {
			t.Errorf("member %t: rows %v; want %v", member, got, want)
		}
		if got := l.visible(s, inserts(rel, keys)); !slices.Equal(got, want) {
			t.Errorf("member %t: rows that are looked up %v; want %v", member, got, want)
		}
	}
}
