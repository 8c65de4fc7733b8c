package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// Nobody waits until anything is known of the tables: rows come as soon as the join is
// answered.
func TestLiveRowsAreNotTakenToBeOlderThanAccessToTheirTable(t *testing.T) {
	const open = "create table t (id int primary key, body text, owner text); grant select on t to anon; alter publication supabase_realtime add table t"
	for name, of := range map[string]struct {
		before, meanwhile string // what is done before the server starts, and before somebody joins
		rows              []string
		want              []string
	}{
		"a table that was just made": {
			meanwhile: open, rows: []string{"insert into t values (1, 'a')", "delete from t"}, want: []string{"row 1 a", `row 0 {"id":1}`},
		},
		"in steps": {
			meanwhile: open + "; alter table t enable row level security; create policy p on t using (id > 0); alter policy p on t using (id > -1)",
			rows:      []string{"insert into t values (0, 'a')", "insert into t values (1, 'b')"}, want: []string{"row 0 a", "row 1 b"},
		},
		"a column is added": {
			before: open, rows: []string{"insert into t values (1, 'a')", "alter table t add c text", "insert into t values (2, 'b')", "alter table t drop c"},
			want: []string{"row 1 a", "row 2 b"},
		},
		"a sub-select decides": {
			before: open + `; create table owners (owner text); grant select on owners to anon; insert into owners values ('me');
				alter table t enable row level security; create policy p on t using (exists (select from owners o where o.owner = t.owner))`,
			rows: []string{"insert into t values (1, 'a', 'me'), (2, 'b', 'you'), (3, 'c', 'me')", "update t set body = 'd' where id = 3"},
			want: []string{"row 1 a", "row 3 c", "row 3 d"},
		},
	} {
		c := &crossing{T: t, db: appDatabase(t)}
		c.db.Exec(of.before)
		c.server = startServer(t, configFor(c.db))
		c.db.Exec(of.meanwhile)
		client := c.bind("t", "")
		for _, sql := range of.rows {
			c.db.Exec(sql)
		}
		for _, want := range of.want {
			if got := client.came(); got != want {
				t.Errorf("%s: %s came; want %s", name, got, want)
				break
			}
		}
	}
}

// Who has to read a table again for another reason gets what follows.
func TestRowsComeRightBehindAResync(t *testing.T) {
	c := &crossing{T: t, db: appDatabase(t)}
	c.db.Exec("create table t (id int primary key, body text); grant select on t to anon; alter publication supabase_realtime add table t")
	c.server = startServer(t, configFor(c.db))
	for id := 1; id <= 3; id++ {
		client := c.bind("t", "0/1:0")
		c.db.Exec(fmt.Sprintf("insert into t values (%d, 'new')", id))
		if got := client.came(); got == "access_changed" {
			t.Errorf("%s came; want another reason", got)
		}
		if got, want := client.came(), fmt.Sprintf("row %d new", id); got != want {
			t.Errorf("%s came; want %s", got, want)
		}
	}
}

// However many rows lie before the change, and whatever comes of other tables between.
func TestAGapFromAChangeOfAccessIsToldOnce(t *testing.T) {
	c := &crossing{T: t, db: appDatabase(t)}
	for _, table := range []string{"shut", "free"} {
		c.db.Exec(fmt.Sprintf("create table %s (id int primary key, body text); grant select on %[1]s to anon; alter publication supabase_realtime add table %[1]s", table))
	}
	c.db.Exec("alter table shut enable row level security")
	c.server = startServer(t, configFor(c.db))
	live := c.server.dial(t, "2.0.0")
	live.join("realtime:a", "id=gt.0")
	c.db.Exec("insert into messages values (1, 1, 'begin')")
	c.from = live.position()
	for id := range 500 {
		c.db.Exec(fmt.Sprintf("insert into shut values (%d, 'secret')", id))
		c.db.Exec(fmt.Sprintf("insert into free values (%d, 'open')", id))
	}
	c.db.Exec("create policy p on shut using (true)")
	c.db.Exec("insert into messages values (2, 1, 'end')")
	for live.came() != "row 2 end" { // the log has all: at its end a client is told of what it misses so far
	}
	client := c.server.dial(t, "2.0.0")
	client.send("1", "realtime:a", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"shut","resume":{"from":%q}},{"event":"*","schema":"public","table":"free","resume":{"from":%[1]q}}]}}`, c.from))
	client.next("phx_reply")
	c.db.Exec("insert into shut values (501, 'new')")
	told := 0
	for got := client.came(); got != "row 501 new"; got = client.came() {
		if got == "access_changed" {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times that access has changed; want once", told)
	}
}

// A transaction that opens a table may have begun before one whose rows it takes away:
// the order in which transactions begin is not that in which they end.
func TestARowThatEndsBeforeAnOlderTransactionOpensItsTableIsNotShown(t *testing.T) {
	for _, opening := range []string{
		"create policy p on t using (true)",
		"alter table t disable row level security",
		"grant select (body) on t to anon",
		"create or replace function is_open() returns bool language sql stable as 'select true'",
	} {
		c := &crossing{T: t, db: appDatabase(t)}
		c.db.Exec(`create function is_open() returns bool language sql stable as 'select false'; create table t (id int primary key, body text);
			grant select (id) on t to anon; alter table t enable row level security; create policy q on t using (is_open()); alter publication supabase_realtime add table t`)
		c.server = startServer(t, configFor(c.db))
		client := c.bind("t", "")
		client.subscribed()
		c.db.Exec("insert into t values (1, 'known')") // the table has been announced
		opener, err := c.db.Pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer opener.Rollback(context.Background())
		for _, step := range []func() error{
			func() error { _, err := opener.Exec(t.Context(), "delete from t where id = 1"); return err },
			func() error { c.db.Exec("analyze t"); c.db.Exec("insert into t values (2, 'secret')"); return nil }, // announced again, and not for the change
			func() error { _, err := opener.Exec(t.Context(), opening+"; delete from t where id = 2"); return err },
			func() error { return opener.Commit(t.Context()) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		c.db.Exec("grant select on t to anon; alter table t disable row level security; insert into t values (3, 'new')")
		c.wantWithoutSecond(client, opening)
	}
}

// wantWithoutSecond reads up to row 3 of t, which is written again for who has to read the
// table again. Row 2 was gone before anybody was to see it.
func (c *crossing) wantWithoutSecond(client *client, when string) {
	c.Helper()
	for got := ""; got != "row 3 new"; {
		if got = client.came(); strings.HasPrefix(got, "row 2") {
			c.Errorf("%s: %s came, which nobody was ever to see", when, got)
		}
		if got == "access_changed" {
			c.db.Exec("delete from t where id = 3; insert into t values (3, 'new')")
		}
	}
}

// What is shut and opened again between two looks is as it was, and its rows are not.
func TestRowsOfATableThatWasShutForAMomentAreNotShown(t *testing.T) {
	for _, shut := range []struct{ sql, opened string }{
		{"revoke select on t from anon", "grant select on t to anon"},
		{"alter table t enable row level security", "alter table t disable row level security"},
	} {
		c := &crossing{T: t, db: appDatabase(t)}
		c.db.Exec(`create table t (id int primary key, body text); grant select on t to anon; alter publication supabase_realtime add table t`)
		c.server = startServer(t, configFor(c.db))
		client := c.bind("t", "")
		client.subscribed()
		c.db.Exec("insert into t values (1, 'new')")
		client.wantNew("before")
		conn, err := c.db.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Conn().PgConn().Exec(t.Context(), "begin; "+shut.sql+"; commit; begin; insert into t values (2, 'secret'); commit; begin; delete from t where id = 2; "+shut.opened+"; commit").ReadAll()
		conn.Release()
		if err != nil {
			t.Fatal(err)
		}
		c.db.Exec("insert into t values (3, 'new')")
		c.wantWithoutSecond(client, shut.sql)
	}
}

// A transaction may make a table, open it, and take away what it has written meanwhile.
func TestRowsOfTheTransactionThatMakesTheirTableAreNotShown(t *testing.T) {
	c := &crossing{T: t, db: appDatabase(t)}
	c.server = startServer(t, configFor(c.db))
	client := c.bind("*", "")
	client.subscribed()
	c.db.Exec(`begin; create table fresh (id int primary key, body text); alter publication supabase_realtime add table fresh;
		insert into fresh values (1, 'secret'); delete from fresh; grant select on fresh to anon; commit`)
	c.db.Exec("insert into fresh values (2, 'new')")
	client.wantNew("made")
}
