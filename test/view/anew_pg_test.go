package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"walcast/internal/await"
	"walcast/server"
)

// wantReasons reads up to the answer to progress and wants that snapshots have come for
// these reasons.
func (c *client) wantReasons(want ...string) {
	c.t.Helper()
	c.sync()
	if !slices.Equal(c.reasons, want) {
		c.t.Errorf("snapshots came for %q; want %q", c.reasons, want)
	}
}

func TestATruncateEmptiesAView(t *testing.T) {
	s := open(t, notes, nil)
	p := s.connect()
	c := s.keep(anon, "notes", `,"filter":"room=eq.1"`)
	p.exec(`begin; insert into notes values (10, 1, 'x'); truncate notes; insert into notes values (11, 1, 'y'); commit`)
	c.until("snapshot_end")
	c.want(p, "notes", "room = 1")
	c.wantReasons("join", "truncate")
	p.exec(`update notes set room = 2`)
	c.wantLines("DELETE 11 by UPDATE", "commit")
}

// Columns that change while nothing is written are seen all the same.
func TestAViewOfATableThatIsAltered(t *testing.T) {
	s := open(t, notes, nil)
	p := s.connect()
	c := s.keep(anon, "notes", `,"filter":"room=eq.1"`)
	reasons := []string{"join"}
	for _, sql := range []string{
		`alter table notes add column more int default 7`,
		`alter table notes alter column body type varchar(20)`,
		`alter table notes rename column body to content`,
		`alter table notes drop column more`,
	} {
		p.exec(sql)
		c.until("snapshot_end")
		reasons = append(reasons, "schema")
		c.want(p, "notes", "room = 1")
		p.exec(`update notes set id = id + 1000 where id < 1000 and id % 2 = 0; update notes set id = id - 1000 where id > 1000`)
		c.want(p, "notes", "room = 1")
		c.wantReasons(reasons...)
	}
	p.exec(`create index on notes (room); analyze notes; comment on table notes is 'x'`)
	p.exec(`insert into notes values (100, 1)`)
	c.want(p, "notes", "room = 1")
	c.wantReasons(reasons...)
	p.exec(`grant select on notes to authenticated`) // who sees what of the row right behind it takes a look
	p.exec(`insert into notes values (200, 1)`)
	c.want(p, "notes", "room = 1")
}

func TestAViewThatCannotBeHad(t *testing.T) {
	s := open(t, notes+`
		create table other (id int primary key, n int not null unique); alter table other replica identity using index other_n_key;
		create table late (id int primary key deferrable, n int); alter table late replica identity full;
		create table heap (n int); alter table heap replica identity full; grant select on other, late, heap to anon`, nil)
	for _, c := range []struct{ table, more, code string }{
		{"notes", `,"limit":3`, "limit_with_view"},
		{"other", "", "no_key"},
		{"late", "", "no_key"},
		{"heap", "", "no_key"},
	} {
		k := s.join(anon, c.table, c.more)
		for !k.isEnded {
			k.step()
		}
		if !slices.Equal(k.codes, []string{c.code}) {
			t.Errorf("a view of %s with %q was told %q; want %s", c.table, c.more, k.codes, c.code)
		}
	}
}

func TestAViewOfWhatIsNotAllPublished(t *testing.T) {
	s := open(t, notes+`create publication supabase_realtime for table notes with (publish = 'insert, update')`, nil)
	k := s.join(anon, "notes", "")
	for !k.isEnded {
		k.step()
	}
	if !slices.Equal(k.codes, []string{"event_not_published"}) {
		t.Errorf("it was told %q; want event_not_published", k.codes)
	}
}

func TestViewsHaveOnlySoManyRows(t *testing.T) {
	s := open(t, notes, func(c *server.Config) { c.Channels.ViewKeys = 5 })
	p := s.connect()
	c := s.keep(anon, "notes", `,"filter":"room=eq.1"`)
	large := s.join(anon, "notes", "")
	for !large.isEnded {
		large.step()
	}
	if !slices.Equal(large.codes, []string{"view_too_large"}) {
		t.Errorf("a view with too many rows was told %q; want view_too_large", large.codes)
	}
	second := s.keep(anon, "notes", `,"filter":"id=lte.2"`) // the other has given its keys back
	p.exec(`update notes set room = 1 where id = 9`)
	for !c.isEnded {
		c.step()
	}
	if !slices.Equal(c.codes, []string{"view_too_large"}) {
		t.Errorf("a view that grew too much was told %q; want view_too_large", c.codes)
	}
	p.exec(`update notes set body = 'x' where id < 5`)
	second.want(p, "notes", "id <= 2")
}

// TestNobodyTakesTheRowsOfAllViews: who needs some has them, and the views of the account that
// has most end.
func TestNobodyTakesTheRowsOfAllViews(t *testing.T) {
	s := open(t, notes+`insert into notes select n, 3, 'n' from generate_series(10, 18) n`, func(c *server.Config) { c.Channels.ViewKeys = 20 })
	p := s.connect()
	all := s.keep(anon, "notes", "")
	late := s.keep(alice, "notes", `,"filter":"room=eq.1"`)
	for !all.isEnded {
		all.step()
	}
	if !slices.Equal(all.codes, []string{"view_too_large"}) {
		t.Errorf("the view of the account with most rows was told %q; want view_too_large", all.codes)
	}
	p.exec(`update notes set body = 'x' where id = 4`)
	late.want(p, "notes", "room = 1")
}

// A binding beside a view gets its own changes, each once, while the view takes its rows
// anew.
func TestOtherBindingsGoOnWhileAViewIsTakenAnew(t *testing.T) {
	s := open(t, notes+`create table other (id int primary key, n int); grant select on other to anon`, nil)
	p := s.connect()
	c := s.join(anon, "notes", `},{"event":"*","schema":"public","table":"other"`)
	c.until("snapshot_end")
	for i := range 20 {
		p.exec(fmt.Sprintf(`begin; insert into other values (%d, 1); truncate notes; insert into other values (%d, 1); commit`, 10*i, 10*i+1))
	}
	p.exec(`insert into other values (10000, 1)`)
	c.until("INSERT >10000")
	c.until("commit")
	var got []string
	for _, line := range c.lines {
		if len(line) > 8 && line[:8] == "INSERT >" {
			got = append(got, line[8:])
		}
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprint(10*i), fmt.Sprint(10*i+1))
	}
	if want = append(want, "10000"); !slices.Equal(got, want) {
		t.Errorf("of the other table came %q; want each row once: %q", got, want)
	}
}

// A publication that sends other rows than before is seen though nothing is written.
func TestAViewOfATableThatIsPublishedOtherwise(t *testing.T) {
	s := open(t, notes+`create publication supabase_realtime for table notes`, nil)
	if s.db.Server.Major < 15 {
		return // there are no row filters
	}
	p := s.connect()
	c := s.keep(anon, "notes", "")
	for _, form := range []struct{ sql, where string }{
		{`alter publication supabase_realtime set table notes where (id < 5)`, "id < 5"},
		{`alter publication supabase_realtime set table notes`, "true"},
	} {
		p.exec(form.sql)
		c.until("snapshot_end")
		c.want(p, "notes", form.where)
		p.exec(`update notes set id = 10 - id where id in (3, 7) and false; insert into notes values (100, 1); delete from notes where id = 100; update notes set room = 5 where id in (4, 5)`)
		c.want(p, "notes", form.where)
	}
	c.wantReasons("join", "schema", "schema")
}

// While the rows of one view of a channel are sent anew, which takes as long as its client does,
// those of another may have to come anew too.
func TestAViewThatIsDueWhileAnotherIsSent(t *testing.T) {
	s := open(t, `
		create table large (id int primary key, body text); insert into large select n, repeat(md5(n::text), 150) from generate_series(1, 4000) n;
		create table other (id int primary key, n int); insert into other select 100000 + n, n from generate_series(1, 10) n;
		grant select on large, other to anon; alter table large enable row level security; alter table other enable row level security;
		create policy p on large using (true); create policy p on other using (true)`, func(c *server.Config) { c.Gateway.QueueBytes = 256 << 10 })
	p := s.connect()
	const taken = `walcast_channels_snapshots_total{result="ok"}`
	c := s.join(anon, "large", `},{"event":"*","schema":"public","table":"other","view":true`)
	c.until("snapshot_end")
	for _, sql := range []string{`alter policy p on large using (id > 0)`, `alter policy p on other using (n > 2)`} {
		began := s.metric(taken)
		p.exec(sql)
		if strings.Contains(sql, "large") {
			await.True(t, patience, "the rows are read anew", func() bool { return s.metric(taken) > began })
			continue
		}
		other := s.keep(anon, "other", "") // the rules are known to have changed
		other.want(p, "other", "true")
		other.conn.Close()
	}
	for len(c.reasons) < 3 || c.next != nil {
		c.step()
	}
	if len(c.rows) != 8 {
		t.Errorf("of the other table the client has %d rows; want 8", len(c.rows))
	}
	c.wantReasons("join", "access", "access")
}

// Rows that come with a partition, and go with one, are in no change of the table.
func TestAViewOfATableThatGetsPartitions(t *testing.T) {
	s := open(t, `
		create table parts (id int primary key, body text) partition by range (id); create table parts_1 partition of parts for values from (1) to (10);
		create table parts_2 (like parts including all); insert into parts values (1, 'x'), (2, 'y'); insert into parts_2 values (11, 'z');
		grant select on parts to anon; create publication supabase_realtime for table parts with (publish_via_partition_root)`, nil)
	p := s.connect()
	c := s.keep(anon, "parts", "")
	reasons := []string{"join"}
	for _, sql := range []string{
		`alter table parts attach partition parts_2 for values from (10) to (20)`,
		`alter table parts detach partition parts_1`,
		`create table parts_3 partition of parts for values from (20) to (30) partition by range (id)`,
		`create table parts_4 (like parts including all); insert into parts_4 values (21, 'sub'); alter table parts_3 attach partition parts_4 for values from (20) to (25)`,
	} {
		p.exec(sql)
		reasons = append(reasons, "schema")
		c.wantSoon(p, "parts", "true")
		c.wantReasons(reasons...)
		p.exec(`update parts set body = body || '!'; update parts set id = 12 where id = 11`)
		c.want(p, "parts", "true")
	}
	c.wantReasons(reasons...)
}
