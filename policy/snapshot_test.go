package policy

import "testing"

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
		{"100:100:", 0, true},
		{"8589934590:8589934597:8589934594", 4294967295, true}, // the second time around
		{"8589934590:8589934597:8589934594", 2, false},
		{"8589934590:8589934597:8589934594", 3, true},
		{"8589934590:8589934597:8589934594", 5, false},
	} {
		s, err := parseSnapshot(c.text)
		if err != nil || s.sees(c.xid) != c.want {
			t.Errorf("%s sees %d: %t, %v; want %t", c.text, c.xid, s.sees(c.xid), err, c.want)
		}
	}
	for _, text := range []string{"", "1:2", "1:a:", "1:2:3,"} {
		if s, err := parseSnapshot(text); err == nil {
			t.Errorf("parseSnapshot(%q) = %+v; want an error", text, s)
		}
	}
}
