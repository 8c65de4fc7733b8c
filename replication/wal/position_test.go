package wal

import (
	"slices"
	"testing"
)

func TestPositionText(t *testing.T) {
	for _, c := range []struct {
		text string
		want Position
	}{
		{"16/B374D848:3", Position{0x16B374D848, 3}},
		{"0/0:0", Position{}},
		{"FFFFFFFF/FFFFFFFF:4294967295", Position{1<<64 - 1, 1<<32 - 1}},
	} {
		got, err := ParsePosition(c.text)
		if err != nil || got != c.want || got.String() != c.text {
			t.Errorf("ParsePosition(%q) = %v, %v; want %+v", c.text, got, err, c.want)
		}
	}
	for _, bad := range []string{"", "16/B374D848", "16:3", "16/B374D848:", "/:", "g/0:0", "100000000/0:0", "0/0:4294967296", "0/0:-1", "0/0:+1", " 0/0:0", "0/0:0 "} {
		if got, err := ParsePosition(bad); err == nil {
			t.Errorf("ParsePosition(%q) = %v; want an error", bad, got)
		}
	}
}

func FuzzParsePosition(f *testing.F) {
	f.Add("16/B374D848:3")
	f.Add("0/0:")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := ParsePosition(s)
		if err != nil {
			return
		}
		if got, err := ParsePosition(want.String()); err != nil || got != want {
			t.Errorf("ParsePosition(%q) = %v, %v; want %v", want.String(), got, err, want)
		}
	})
}

func TestTextIsEmptyWithoutAPosition(t *testing.T) {
	if got := (Position{}).Text(); got != "" {
		t.Errorf("Text() of the zero position = %q; want none", got)
	}
	if got, want := (Position{0x16B374D848, 3}).Text(), "16/B374D848:3"; got != want {
		t.Errorf("Text() = %q; want %q", got, want)
	}
}

func TestPositionsAreOrdered(t *testing.T) {
	ordered := []Position{{}, {8, 0}, {8, 1}, Before(0x10), {0x10, 0}, {1 << 32, 0}}
	if !slices.IsSortedFunc(ordered, Position.Compare) {
		t.Errorf("%v are not in order", ordered)
	}
	if Before(0x10).Compare(Position{0x10, 0}) >= 0 || !Before(0).IsZero() {
		t.Errorf("Before(0/10) = %v, Before(0) = %v; want one before 0/10:0, and zero", Before(0x10), Before(0))
	}
}
