package changelog

import (
	"errors"
	"testing"
	"time"

	"walcast/replication/wal"
)

// committed is a change of a transaction, at a position of its own.
func committed(lsn wal.LSN, seq, xid uint32) *wal.Change {
	return &wal.Change{Operation: wal.Insert, Position: wal.Position{LSN: lsn, Seq: seq}, XID: xid, Bytes: 100}
}

func TestUnseenGoesBackToTheFirstTransactionThatASnapshotDoesNotSee(t *testing.T) {
	snapshot := func(text string) wal.Snapshot {
		s, err := wal.ParseSnapshot(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h := History{System: "1", Slot: "s"}
	start := time.Now()
	fill := func() *Log {
		l := New(Config{Window: time.Hour})
		l.Begin(h, 0x100, "")
		at := start
		for i, xid := range []uint32{10, 14, 11, 13, 12} { // commits in another order than ids, one a chunk
			lsn := wal.LSN(0x200 + 0x100*i)
			l.Append(at, []*wal.Change{committed(lsn, 0, xid), committed(lsn, 1, xid)}, lsn+8)
			at = at.Add(10 * time.Minute)
		}
		return l
	}
	for _, c := range []struct {
		name, snapshot string
		want           wal.Position
	}{
		{"all are seen", "20:20:", wal.Before(0x608)},
		{"none but the first", "11:11:", wal.Before(0x300)},
		{"one under way", "11:20:11", wal.Before(0x400)},
		{"the last is under way", "12:20:12", wal.Before(0x600)},
		{"under way, and not in the log", "9:20:9", wal.Before(0x608)},
		{"not even the first", "10:10:", wal.Before(0x200)},
		{"those that began later", "14:14:", wal.Before(0x300)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := fill()
			at, err := l.Unseen(Standing{h, wal.Before(0x308)}, snapshot(c.snapshot))
			if err != nil || at != (Standing{h, c.want}) {
				t.Fatalf("Unseen = %v, %v; want %v", at, err, c.want)
			}
			if _, err := l.Resume(t.Context(), at); err != nil {
				t.Errorf("Resume(%v) = %v; want a cursor", at, err)
			}
		})
	}
	t.Run("what may not be seen has left", func(t *testing.T) {
		l := fill()
		l.Release(start.Add(75 * time.Minute)) // the first two have left
		if at, err := l.Unseen(Standing{h, wal.Position{LSN: 0x300, Seq: 1}}, snapshot("20:20:")); err != nil || at.Position != wal.Before(0x608) {
			t.Errorf("Unseen = %v, %v; want the end of the log", at, err)
		}
		var resync *ResyncError
		if _, err := l.Unseen(Standing{h, wal.Position{LSN: 0x200, Seq: 1}}, snapshot("20:20:")); !errors.As(err, &resync) || resync.Code != CodeTooOld {
			t.Errorf("Unseen since a position that the log does not reach = %v; want %s", err, CodeTooOld)
		}
		if _, err := l.Unseen(Standing{History{System: "2"}, wal.Before(0x308)}, snapshot("20:20:")); !errors.As(err, &resync) {
			t.Errorf("Unseen since another history = %v; want a *ResyncError", err)
		}
	})
	t.Run("one that has left is not seen", func(t *testing.T) {
		l := fill()
		l.Release(start.Add(75 * time.Minute))
		var resync *ResyncError
		if at, err := l.Unseen(Standing{h, wal.Before(0x608)}, snapshot("10:20:10")); !errors.As(err, &resync) || resync.Code != CodeTooOld {
			t.Errorf("Unseen = %v, %v; want %s until it is seen", at, err, CodeTooOld)
		}
	})
	t.Run("very many have left", func(t *testing.T) {
		var g gone
		for xid := range uint32(100_000) {
			g.add([]*wal.Change{committed(1, 0, xid), committed(1, 1, xid)})
		}
		if len(g) > 2*goneMost || g.areSeen(snapshot("99999:99999:")) || !g.areSeen(snapshot("5:100000:5")) {
			t.Errorf("%d transactions are remembered, from %d on", len(g), g[0])
		}
	})
	t.Run("a transaction has left in part", func(t *testing.T) {
		l := New(Config{Window: time.Hour})
		l.Begin(h, 0x100, "")
		l.Append(start, []*wal.Change{committed(0x200, 0, 10)}, 0)
		l.Append(start.Add(30*time.Minute), []*wal.Change{committed(0x200, 1, 10)}, 0x208)
		l.Release(start.Add(65 * time.Minute))
		var resync *ResyncError
		if at, err := l.Unseen(Standing{h, wal.Position{LSN: 0x200}}, snapshot("10:20:10")); !errors.As(err, &resync) {
			t.Errorf("Unseen = %v, %v; want a *ResyncError", at, err)
		}
	})
	t.Run("disagrees", func(t *testing.T) {
		l := fill()
		for _, c := range []struct {
			after    wal.Position
			before   wal.LSN
			snapshot string
			want     bool
		}{
			{wal.Before(0x300), 0x700, "11:20:11", true},                 // 14 is seen
			{wal.Position{LSN: 0x300, Seq: 1}, 0x500, "11:20:11", false}, // 11 is not
			{wal.Position{LSN: 0x300, Seq: 0}, 0x500, "11:20:11", true},  // the rest of 14
			{wal.Position{LSN: 0x400, Seq: 1}, 0x500, "11:20:11", false}, // nothing is between
			{wal.Before(0x608), 0x700, "20:20:", false},
		} {
			if got := l.Disagrees(c.after, c.before, snapshot(c.snapshot)); got != c.want {
				t.Errorf("Disagrees(%v, %v, %s) = %v; want %v", c.after, c.before, c.snapshot, got, c.want)
			}
		}
	})
}
