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

// by makes a change one of a transaction.
func by(xid uint32, c *wal.Change) *wal.Change {
	c.XID = xid
	return c
}

// transaction is one that ends now.
func (f *fixture) transaction() (xid uint32) {
	f.Helper()
	var long uint64
	if err := f.db.Pool.QueryRow(f.Context(), "select pg_current_xact_id()::text::bigint").Scan(&long); err != nil {
		f.Fatal(err)
	}
	return uint32(long)
}

// knows has it known what the catalog says, as it is of a server before the first row.
func (f *fixture) knows() {
	f.Helper()
	if _, err := f.policy.Confirm(f.Context(), time.Now()); err != nil {
		f.Fatal(err)
	}
}

func TestARowThatIsOlderThanAllThatIsKnownOfItsTableIsNotSent(t *testing.T) {
	for guard, sql := range guards {
		f := newFixture(t, messagesTable, judgedSQL)
		f.knows()
		old := f.transaction()
		f.db.Exec(sql + "; grant select on messages to public")
		rel := f.Relation("messages")
		b := newInbox()
		f.subscribe(b, ask{bindings: everyRow}, Start{})
		f.Commit(by(old, logtest.Insert(rel, "1", "1", "old", "a")))
		f.Commit(by(old, logtest.Insert(rel, "2", "1", "old", "a")))
		b.wait(t, 1)
		f.Commit(by(f.transaction(), logtest.Insert(rel, "3", "1", "new", "a")))
		if diff := cmp.Diff([]string{"resync access_changed", "row 3"}, b.wait(t, 2)); diff != "" {
			t.Errorf("%s: delivered (-want +got):\n%s", guard, diff)
		}
	}
}

// A type of the table changes: the rules that were made of the catalog stay the same,
// but what they say of a row may not.
func TestARowFromBeforeAChangeOfATypeIsNotSent(t *testing.T) {
	for _, guard := range []string{"compiled", "asked"} {
		f := newFixture(t, messagesTable, judgedSQL, guards[guard])
		f.knows()
		rel := f.Relation("messages")
		b := newInbox()
		f.subscribe(b, ask{bindings: everyRow}, Start{})
		f.Commit(by(f.transaction(), logtest.Insert(rel, "1", "1", "first", "a")))
		b.wait(t, 1)
		before := f.transaction()
		f.Commit(by(before, logtest.Insert(rel, "2", "1", "before", "a")))
		b.wait(t, 2)
		f.db.Exec("alter type kind add value 'b'")
		f.knows()
		f.Commit(by(before, logtest.Insert(rel, "3", "1", "before", "a")))
		f.Commit(by(f.transaction(), logtest.Insert(rel, "4", "1", "after", "a")))
		if diff := cmp.Diff([]string{"row 1", "row 2", "resync access_changed", "row 4"}, b.wait(t, 4)); diff != "" {
			t.Errorf("%s: delivered (-want +got):\n%s", guard, diff)
		}
	}
}
