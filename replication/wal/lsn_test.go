package wal

import "testing"

func TestLSNText(t *testing.T) {
	for text, want := range map[string]LSN{"0/0": 0, "16/B374D848": 0x16B374D848, "FFFFFFFF/FFFFFFFF": 1<<64 - 1} {
		got, err := ParseLSN(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseLSN(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "16", "/", "16/", "/16", "g/0", "0/100000000", "0/-1", " 0/0", "0/0 ", "0/0/0"} {
		if got, err := ParseLSN(bad); err == nil {
			t.Errorf("ParseLSN(%q) = %s; want an error", bad, got)
		}
	}
}
