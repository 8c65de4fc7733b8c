package fanout

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/replication/wal"
)

// guards are ways in which messages is guarded: for everybody to see, by a policy that
// is compiled, and by one that Postgres is asked about.
var guards = map[string]string{
	"open":     "select",
	"compiled": "alter table messages enable row level security; create policy p on messages using (channel_id > 0)",
	"asked":    "alter table messages enable row level security; create policy p on messages using (judged(channel_id))",
}

const judgedSQL = `create function judged(int) returns bool language plpgsql stable as 'begin return $1 > 0; end'; create type kind as enum ('a');
	alter table messages add kind kind`

// at makes a change one that was committed at a time by the first of all transactions.
func at(c *wal.Change, when time.Time) *wal.Change {
	c.XID, c.CommitTime = 3, when
	return c
}

func TestARowThatIsOlderThanAllThatIsKnownOfItsTableIsNotSent(t *testing.T) {
	for guard, sql := range guards {
		f := newFixture(t, messagesTable, judgedSQL, sql)
		rel := f.Relation("messages")
		b := newInbox()
		f.subscribe(b, ask{bindings: everyRow}, Start{})
		f.Commit(at(logtest.Insert(rel, "1", "1", "old", "a"), time.Now().Add(-time.Hour)))
		b.wait(t, 1)
		f.Commit(logtest.Insert(rel, "2", "1", "new", "a"))
		if diff := cmp.Diff([]string{"resync access_changed", "row 2"}, b.wait(t, 2)); diff != "" {
			t.Errorf("%s: delivered (-want +got):\n%s", guard, diff)
		}
	}
}

// A type of the table changes: the rules that were made of the catalog stay the same,
// but what they say of a row may not.
func TestARowFromBeforeAChangeOfATypeIsNotSent(t *testing.T) {
	for _, guard := range []string{"compiled", "asked"} {
		f := newFixture(t, messagesTable, judgedSQL, guards[guard])
		rel := f.Relation("messages")
		b := newInbox()
		f.subscribe(b, ask{bindings: everyRow}, Start{})
		f.Commit(logtest.Insert(rel, "1", "1", "first", "a"))
		b.wait(t, 1)
		var before time.Time
		if err := f.db.Pool.QueryRow(t.Context(), "select clock_timestamp()").Scan(&before); err != nil {
			t.Fatal(err)
		}
		f.Commit(at(logtest.Insert(rel, "2", "1", "before", "a"), before))
		b.wait(t, 2)
		f.db.Exec("alter type kind add value 'b'")
		f.Commit(at(logtest.Insert(rel, "3", "1", "before", "a"), before))
		b.wait(t, 3)
		f.Commit(logtest.Insert(rel, "4", "1", "after", "a"))
		if diff := cmp.Diff([]string{"row 1", "row 2", "resync access_changed", "row 4"}, b.wait(t, 4)); diff != "" {
			t.Errorf("%s: delivered (-want +got):\n%s", guard, diff)
		}
	}
}
