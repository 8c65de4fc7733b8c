package protocol

import "testing"

func TestParseVersion(t *testing.T) {
	for _, c := range []struct {
		vsn  string
		want Version // 0 for a refusal
	}{
		{"", V1},
		{"1.0.0", V1},
		{"1.0.1", V1},
		{"1.0.10", V1},
		{"2.0.0", V2},
		{"2.0.1", V2},
		{"2.0.0+build.5", V2},
		{"2", 0},
		{"1.0", 0},
		{"2.0", 0},
		{"2.0.0.0", 0},
		{"3.0.0", 0},
		{"1.1.0", 0},
		{"2.1.0", 0},
		{"0.0.0", 0},
		{"2.0.0-rc.1", 0},
		{"2.0.0+", 0},
		{"2.0.0+a..b", 0},
		{"02.0.0", 0},
		{"2.00.0", 0},
		{"2.0.x", 0},
		{"2.0.-1", 0},
		{" 2.0.0", 0},
		{"abc", 0},
		{"sse", 0},
	} {
		got, err := ParseVersion(c.vsn)
		if got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("ParseVersion(%q) = %v, %v; want %v", c.vsn, got, err, c.want)
		}
	}
}

func TestVersionIsPrintedAsClientsWriteIt(t *testing.T) {
	for v, want := range map[Version]string{V1: "1.0.0", V2: "2.0.0", SSE: "sse", 0: "unknown"} {
		if got := v.String(); got != want {
			t.Errorf("Version(%d).String() = %q; want %q", v, got, want)
		}
	}
}
