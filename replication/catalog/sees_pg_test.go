package catalog

import (
	"testing"

	"walcast/internal/devdb"

	"github.com/jackc/pgx/v5"
)

// begin begins a transaction that has an id.
func begin(t *testing.T, db *devdb.DB) (tx pgx.Tx, xid uint32) {
	t.Helper()
	tx, err := db.Pool.Begin(t.Context())
	if err == nil {
		err = tx.QueryRow(t.Context(), `select pg_current_xact_id()::xid::text::bigint`).Scan(&xid)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tx, xid
}

func TestSeesATransactionOnceItHasEnded(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	c := New(db.Pool, nil)
	tx, xid := begin(t, db)
	want := func(what string, xid uint32, want bool) {
		t.Helper()
		if got, err := c.Sees(t.Context(), xid); err != nil || got != want {
			t.Errorf("%s: Sees(%d) = %v, %v; want %v", what, xid, got, err, want)
		}
	}
	want("under way", xid, false)
	want("not begun", xid+1_000_000, false)
	want("long ago", 3, true)
	want("none", 0, true)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("committed", xid, true)
}

// TestSeesAcrossTheWrapOfIds compares ids as if the counter of 32 bits had begun
// anew: one from before is a high number.
func TestSeesAcrossTheWrapOfIds(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	for _, c := range []struct{ id, next, want int64 }{
		{5, 10, 5},
		{10, 5, 10},
		{4294967290, 4294967296 + 5, 4294967290},
		{7, 4294967296 + 5, 4294967296 + 7},
		{4, 4294967290, 4294967296 + 4},
		{4294967290, 2*4294967296 + 5, 2*4294967296 - 6},
	} {
		var got int64
		if err := db.Pool.QueryRow(t.Context(), "select "+fullID+" from (values ($2::bigint)) as snapshot (next)", c.id, c.next).Scan(&got); err != nil || got != c.want {
			t.Errorf("id %d next to %d = %d, %v; want %d", c.id, c.next, got, err, c.want)
		}
	}
}

func TestAMomentTellsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	c := New(db.Pool, nil)
	tx, xid := begin(t, db)
	before, err := c.Moment(t.Context())
	if err != nil || !before.HasBegun(xid) || before.HasEnded(xid) {
		t.Errorf("while %d is under way: %+v, %v; want it begun and not ended", xid, before, err)
	}
	if before.HasBegun(xid + 1_000_000) {
		t.Errorf("%d has begun", xid+1_000_000)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := c.Moment(t.Context())
	if err != nil || !after.HasEnded(xid) || after.End < before.End {
		t.Errorf("after its end: %+v, %v; want it ended, and the WAL no shorter than %s", after, err, before.End)
	}
}
