package wal

import (
	"testing"

	"pgregory.net/rapid"
)

func TestASnapshotSeesWhatPostgresSays(t *testing.T) {
	s, err := ParseSnapshot("4294967290:4294967305:4294967290,4294967300")
	if err != nil || s.String() != "4294967290:4294967305:4294967290,4294967300" {
		t.Fatalf("ParseSnapshot = %v, %v; want the same text", s, err)
	}
	for full, want := range map[uint64]bool{
		4294967289: true, 4294967290: false, 4294967291: true, 4294967299: true, 4294967300: false, 4294967304: true, 4294967305: false, 4294967306: false,
	} {
		if got := s.Sees(uint32(full)); got != want {
			t.Errorf("Sees(%d) = %v; want %v", full, got, want)
		}
		if got := s.Full(uint32(full)); got != full {
			t.Errorf("Full(%d) = %d; want %d", uint32(full), got, full)
		}
	}
}

func TestASnapshotSeesWhatHadEnded(t *testing.T) {
	for _, c := range []struct {
		text string
		xid  uint32
		want bool
	}{
		{"100:105:100,103", 99, true},
		{"100:105:100,103", 100, false},
		{"100:105:100,103", 102, true},
		{"100:105:100,103", 103, false},
		{"100:105:100,103", 105, false},
		{"100:105:100,103", 200, false},
		{"100:100:", 99, true},
		{"100:100:", 100, false},
		{"8589934590:8589934597:8589934594", 4294967295, true}, // the second time around
		{"8589934590:8589934597:8589934594", 2, false},
		{"8589934590:8589934597:8589934594", 3, true},
		{"8589934590:8589934597:8589934594", 5, false},
	} {
		s, err := ParseSnapshot(c.text)
		if err != nil || s.Sees(c.xid) != c.want {
			t.Errorf("%s sees %d: %t, %v; want %t", c.text, c.xid, s.Sees(c.xid), err, c.want)
		}
	}
}

func TestTextThatIsNoSnapshotIsRefused(t *testing.T) {
	for _, text := range []string{"", "1", "1:2", "1:2:3:4", "a:2:", "1:a:", "1:2:3,", "1:-2:"} {
		if s, err := ParseSnapshot(text); err == nil {
			t.Errorf("ParseSnapshot(%q) = %v; want an error", text, s)
		}
	}
}

// SeesAll is what Sees says of each id, also where ids of 32 bits begin anew.
func TestASnapshotSeesAllOfARangeIfItSeesEach(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		next := rapid.SampledFrom([]uint64{100, 1 << 32, 1<<32 + 5, 3<<32 - 4}).Draw(t, "next")
		s := Snapshot{Least: next - 20, Next: next}
		for id := s.Least; id < next; id++ {
			if rapid.IntRange(0, 4).Draw(t, "under way") == 0 {
				s.UnderWay = append(s.UnderWay, id)
			}
		}
		least := next - 30 + uint64(rapid.IntRange(0, 35).Draw(t, "least"))
		most := least + uint64(rapid.IntRange(0, 10).Draw(t, "width"))
		want := true
		for id := least; id <= most; id++ {
			want = want && s.Sees(uint32(id))
		}
		if got := s.SeesAll(uint32(least), uint32(most)); got != want {
			t.Errorf("%v: SeesAll(%d, %d) = %v; want %v", s, least, most, got, want)
		}
	})
}

// HasAll is said only of one that sees each id that the other does, and of each such that is not earlier.
func TestASnapshotHasAllOfAnotherIfItSeesEachThatItSees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const first = 1<<32 - 10
		draw := func(name string) (s Snapshot) {
			s.Next = first + uint64(rapid.IntRange(0, 12).Draw(t, name+" next"))
			s.Least = s.Next
			for id := s.Next; id > first; {
				if id--; rapid.Bool().Draw(t, name+" under way") {
					s.Least, s.UnderWay = id, append([]uint64{id}, s.UnderWay...)
				}
			}
			return s
		}
		a, b := draw("a"), draw("b")
		want, same := true, a.Next == b.Next
		for id := uint64(first); id < first+12; id++ {
			want = want && (a.Sees(uint32(id)) || !b.Sees(uint32(id)))
			same = same && a.Sees(uint32(id)) == b.Sees(uint32(id))
		}
		if got := a.HasAll(b); got != want && (got || a.Next >= b.Next) {
			t.Errorf("%v has all of %v: %v; want %v", a, b, got, want)
		}
		if got := a.Equal(b); got != same {
			t.Errorf("%v equals %v: %v; want %v", a, b, got, same)
		}
	})
}
