package main

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "65536": 65536, "64KiB": 65536, "64 MiB": 64 << 20, "1.5GiB": 3 << 29, "5MB": 5e6, "1kB": 1000, "12B": 12,
	} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("size %q = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5B", "ten", "NaN", "Inf", "1e300GiB", "64 MiBs"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q = %d; want an error", text, got)
		}
	}
	for s, want := range map[size]string{0: "0", 100: "100", 1 << 10: "1KiB", 64 << 20: "64MiB", 3 << 29: "1536MiB", 5_000_000: "5000000"} {
		if got := s.String(); got != want {
			t.Errorf("String of %d = %s; want %s", int64(s), got, want)
		}
	}
}
