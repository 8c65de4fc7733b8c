package policy

import (
	"testing"

	"walcast/replication/wal"
)

func TestASpanCoversWhatIsKnownToComeAfterTheChange(t *testing.T) {
	at := wal.Snapshot{Least: 100, Next: 120, UnderWay: []uint64{100, 110}}
	for _, c := range []struct {
		name      string
		span      span
		xid       uint32
		announced wal.Announcement
		want      bool
	}{
		{"seen", span{at: at}, 119, wal.Announcement{Last: 110, XID: 115}, false},
		{"under way", span{at: at}, 110, wal.Announcement{}, true},
		{"not begun", span{at: at}, 120, wal.Announcement{}, true},
		{"the last transaction of the change", span{at: at, last: 106}, 106, wal.Announcement{}, false},
		{"the last transaction, which made the change in a subtransaction", span{at: at, last: 106}, 104, wal.Announcement{}, false},
		{"a later one than the last of the change", span{at: at, last: 106}, 107, wal.Announcement{}, true},
		{"announced after it", span{at: at, newest: 106}, 108, wal.Announcement{Last: 104, XID: 107}, true},
		{"announced before it", span{at: at, newest: 106}, 108, wal.Announcement{Last: 104, XID: 105}, false},
		{"of the transaction itself", span{at: at, newest: 106}, 106, wal.Announcement{Last: 106, XID: 106}, false},
		{"nothing came before", span{at: at, newest: 106}, 108, wal.Announcement{XID: 107}, false},
	} {
		if got := c.span.covers(&wal.Change{XID: c.xid, Relation: &wal.Relation{Announced: c.announced}}); got != c.want {
			t.Errorf("%s: covers %t; want %t", c.name, got, c.want)
		}
	}
}

func TestAForceCoversWhatAllOfItsSpansDo(t *testing.T) {
	var f force
	for i := range uint64(2 * mostSpans) {
		f.and(span{at: wal.Snapshot{Least: 100 - i, Next: 120, UnderWay: []uint64{100 - i}}}) // of different servers, so that none holds another
		f.and(span{at: wal.Snapshot{Least: 90, Next: 90}})
		for xid, want := range map[uint32]bool{89: false, 119: false, 120: true} {
			if got := f.covers(&wal.Change{XID: xid}); got != want {
				t.Fatalf("%d spans cover %d: %t; want %t", len(f), xid, got, want)
			}
		}
	}
	if len(f) > mostSpans {
		t.Errorf("%d spans; want %d at most", len(f), mostSpans)
	}
	if !f.covers(&wal.Change{}) {
		t.Error("what is of no transaction is not covered")
	}
}
