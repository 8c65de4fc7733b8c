package presence

import (
	"regexp"
	"testing"
)

func TestRefSourceNeverRepeatsItself(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9_-]{16}$`)
	seen := map[string]bool{}
	for _, seed := range [][12]byte{{}, {1}, {3: 1}, {4: 1}} {
		r := NewRefSource(seed)
		for range 1000 {
			ref := r.Next()
			if !form.MatchString(ref) || seen[ref] {
				t.Fatalf("Next() = %q, seen before: %v; want 16 new characters of URL-safe base64", ref, seen[ref])
			}
			seen[ref] = true
		}
	}
}

func TestRefSourceFollowsItsSeed(t *testing.T) {
	a, b, c := NewRefSource([12]byte{1, 2, 3}), NewRefSource([12]byte{1, 2, 3}), NewRefSource([12]byte{1, 2, 4})
	for range 10 {
		x, y, z := a.Next(), b.Next(), c.Next()
		if x != y || x == z {
			t.Fatalf("sources of equal seeds gave %q and %q, of another seed %q", x, y, z)
		}
	}
}
