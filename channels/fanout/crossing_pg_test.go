package fanout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
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

// mixed is a plain binding and one with a snapshot, from a position on.
func mixed(from wal.Position) ask {
	return ask{
		bindings: everyRow + "," + strings.Replace(rowsFirst, `"order"`, fmt.Sprintf(`"resume":{"from":%q},"order"`, from), 1),
		after:    []wal.Position{from, from},
	}
}

// However many rows of the log are older than the change, and in how many pieces it is
// read: bindings with a snapshot get one, and for the others there is one notice.
func TestAGapOfManyPiecesGivesRowsAnewOnceAndOneNotice(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows, judgedSQL)
	f.knows()
	old, start := f.transaction(), f.Changes.Standing().Position
	f.db.Exec("alter table messages enable row level security; create policy p on messages using (true); grant select on messages to public")
	rel := f.Relation("messages")
	for id := range 3 * takeLimit {
		f.Commit(by(old, logtest.Insert(rel, fmt.Sprint(100+id), "1", "old", "a")))
	}
	b := newInbox()
	before := wal.Before(start.LSN + 1 + 0x100) // the first of them; there is nothing between
	s := f.subscribe(b, mixed(start), Start{From: Named})
	f.waitLanes()
	if at := s.Standing(); at.Position.Compare(before) > 0 {
		t.Errorf("the client is taken to have what is before %s; it has what is before %s", at.Position, start)
	}
	s.Arm()
	want := append(append([]string{}, threeRows...), "resync access_changed")
	b.wantAll(t, want...)
	f.Commit(by(f.transaction(), logtest.Insert(rel, "4", "1", "new", "a")))
	b.wantAll(t, append(want, "row 4", f.end(1))...)
	frames := b.read(t, len(threeRows)+1)
	if begin := frames[0].Payload; begin.Reason != string(protocol.SnapshotAccess) {
		t.Errorf("the rows come for the reason %q; want access", begin.Reason)
	}
	for i, what := range map[int]string{len(threeRows) - 1: "end of the rows", len(threeRows): "notice"} {
		at := frames[i].Payload.Position
		if what == "notice" {
			at = frames[i].Payload.From
		}
		if at == nil || *at != start.String() && *at != before.String() {
			t.Errorf("the %s says %v; want %s or %s, from where a client goes on that is cut here", what, at, start, before)
		}
	}
}

// What waits behind an older row while Postgres is asked comes after the rows.
func TestWhatWaitsBehindAnOlderRowIsNotLost(t *testing.T) {
	f := newRowsFixture(t, true, tableOfRows, judgedSQL, `alter table messages enable row level security; create policy p on messages using (judged(channel_id));
		create or replace function judged(int) returns bool language plpgsql stable as 'begin perform pg_advisory_lock_shared(7), pg_advisory_unlock_shared(7); return $1 > 0; end'; create table docs (id int primary key); grant select on docs to anon`)
	f.knows()
	b, start := newInbox(), f.Changes.Standing().Position
	a := mixed(start)
	a.dedicated, a.after, a.bindings = true, append(a.after, start), a.bindings+`,{"event":"*","schema":"public","table":"docs"}`
	lock, err := f.db.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	must := func(sql string) {
		t.Helper()
		if _, err := lock.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	must("select pg_advisory_lock(7)")
	rel := f.Relation("messages")
	f.Commit(by(f.transaction(), logtest.Insert(rel, "100", "1", "old", "a")))
	f.Commit(logtest.Insert(f.Relation("docs"), "4"), said("room", 1))
	s := f.subscribe(b, a, Start{From: Proven, At: changelog.Standing{History: firstHistory, Position: start}})
	s.Arm()
	f.until("both rows wait", func() (wait bool) {
		s.withDelivery(func(*delivery) { wait = len(s.queue.steps) >= 2 })
		return wait
	})
	must("alter type kind add value 'b'")
	f.knows()
	must("select pg_advisory_unlock(7)")
	b.wantAll(t, append(append([]string{}, threeRows...), "resync access_changed", "row 4", "message 1", f.end(2))...)
}
