package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// size is a number of bytes, written 65536, 64KiB, 64MiB, 1GiB, or with the
// decimal units kB, MB, GB. A unit means what it says: go-units, for one, reads
// both MB and MiB as whichever of the two its caller has chosen for all.
type size int64

// units, longest first, so that MiB is not read as B.
var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"B", 1},
}

// UnmarshalText reads a size; kong and its YAML resolver call it.
func (s *size) UnmarshalText(text []byte) error {
	number, factor := strings.TrimSpace(string(text)), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	bytes := n * factor
	if err != nil || math.IsNaN(bytes) || bytes < 0 || bytes > math.MaxInt64/2 || bytes != math.Trunc(bytes) {
		return fmt.Errorf("want a size such as 65536, 64KiB or 64MiB, got %q", text)
	}
	*s = size(bytes)
	return nil
}

// String is the shortest exact form.
func (s size) String() string {
	for _, u := range []struct {
		suffix string
		bytes  size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s >= u.bytes && s%u.bytes == 0 {
			return strconv.FormatInt(int64(s/u.bytes), 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
