package policy

import (
	"testing"

	"walcast/replication/wal"
)

// Transactions 100 and later had not begun at the first look, 106 has made the change,
// and the second look has seen all before 120.
func TestASpanCoversWhatIsKnownToHaveEndedAfterTheChange(t *testing.T) {
	seen := snapshot{oldest: 120, next: 120}
	relation := span{at: seen, order: byRelation, newest: 106}
	announcement := span{at: seen, order: byAnnouncement, newest: 99, settled: 90}
	made := span{at: seen, order: byTransaction, newest: 106}
	creation := span{at: snapshot{oldest: 106, next: 107}, order: byCreation, newest: 106}
	stream := span{at: seen, order: byStream, newest: 106}
	for _, c := range []struct {
		name      string
		span      span
		xid       uint32
		announced wal.Announcement
		want      bool
	}{
		{"unordered: seen", span{at: seen}, 119, wal.Announcement{First: 50, Last: 110, XID: 115}, false},
		{"unordered: not seen", span{at: seen}, 120, wal.Announcement{}, true},
		{"relation: announced after it", relation, 108, wal.Announcement{First: 50, Last: 104, XID: 107}, true},
		{"relation: announced before it", relation, 108, wal.Announcement{First: 50, Last: 104, XID: 105}, false},
		{"relation: of the transaction itself", relation, 106, wal.Announcement{First: 50, Last: 106, XID: 106}, false},
		{"relation: nothing came before", relation, 108, wal.Announcement{First: 50, XID: 107}, false},
		{"announcement: after the first look", announcement, 108, wal.Announcement{First: 50, Last: 95, XID: 107}, true},
		{"announcement: before it", announcement, 108, wal.Announcement{First: 50, Last: 95, XID: 98}, false},
		{"announcement: due for an earlier change", announcement, 108, wal.Announcement{First: 50, Last: 89, XID: 107}, false},
		{"announcement: on the way, by the transaction itself", announcement, 108, wal.Announcement{First: 50, Last: 108, XID: 108}, false},
		{"made between: a later transaction", made, 107, wal.Announcement{First: 50, XID: 107}, true},
		{"made between: announced before", made, 107, wal.Announcement{First: 50, Last: 104, XID: 105}, false},
		{"made between: an earlier transaction", made, 105, wal.Announcement{First: 50, XID: 105}, false},
		{"creation: another transaction, begun before", creation, 105, wal.Announcement{First: 50, XID: 105}, true},
		{"creation: the transaction itself", creation, 106, wal.Announcement{First: 50, XID: 106}, false},
		{"stream: begins after it", stream, 110, wal.Announcement{First: 107, XID: 110}, true},
		{"stream: begins before it", stream, 110, wal.Announcement{First: 105, XID: 110}, false},
		{"stream: unknown", stream, 110, wal.Announcement{}, false},
	} {
		change := &wal.Change{XID: c.xid, Relation: &wal.Relation{Announced: c.announced}}
		if got := c.span.covers(change); got != c.want {
			t.Errorf("%s: covers %t; want %t", c.name, got, c.want)
		}
	}
}
