package catalog

import "testing"

// TestMomentsTellTransactionsApart compares ids of 32 bits with those of 64 that
// snapshots have, across the wrap too.
func TestMomentsTellTransactionsApart(t *testing.T) {
	const wrap = uint32(1<<32 - 1)
	for _, c := range []struct {
		name, snapshot string
		next           uint32
		isStandby      bool
		ended          []uint32
		begun          []uint32 // and not ended
		not            []uint32 // begun
	}{
		{"a young cluster", "740:745:741,743", 747, false, []uint32{3, 739, 740, 742, 744}, []uint32{741, 743, 745, 746}, []uint32{747, 748, 3_000_000_000, wrap, 0, 1, 2}},
		{"nothing under way", "740:740:", 740, false, []uint32{739}, nil, []uint32{740, 741}},
		{"after the wrap", "4294967301:4294967301:", 5, false, []uint32{3, 4, wrap, 3_000_000_000}, nil, []uint32{5, 6, 2_000_000_000, 0, 1, 2}},
		{"at the wrap, a later half is given out", "4294967290:4294967299:4294967295", 4, false, []uint32{4294967290, wrap - 1, 4294967294}, []uint32{wrap, 3}, []uint32{4, 5}},
		{"a standby does not say what is under way", "740:745:", 747, true, []uint32{739}, []uint32{740, 744, 746}, []uint32{747}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := newMoment(c.snapshot, c.next, c.isStandby)
			if err != nil {
				t.Fatal(err)
			}
			check := func(xids []uint32, begun, ended bool) {
				t.Helper()
				for _, xid := range xids {
					if m.HasBegun(xid) != begun || m.HasEnded(xid) != ended {
						t.Errorf("%d has begun %v, has ended %v; want %v, %v", xid, m.HasBegun(xid), m.HasEnded(xid), begun, ended)
					}
				}
			}
			check(c.ended, true, true)
			check(c.begun, true, false)
			check(c.not, false, false)
			if want := c.snapshot; !c.isStandby && m.Snapshot != want {
				t.Errorf("the snapshot is %q; want %q", m.Snapshot, want)
			} else if c.isStandby && m.Snapshot != "740:740:" {
				t.Errorf("the snapshot is %q; want one that sees only what is older than all others", m.Snapshot)
			}
		})
	}
	for _, bad := range []string{"", "1", "1:2", "a:2:", "1:2:x", "1:2:3:4"} {
		if _, err := newMoment(bad, 5, false); err == nil {
			t.Errorf("newMoment(%q) is no error", bad)
		}
	}
	var none Moment
	if none.HasBegun(3) || none.HasEnded(3) {
		t.Error("before Postgres was asked nothing has begun")
	}
}
