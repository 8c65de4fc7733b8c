package once

import "testing"

func TestRunRunsBenchmarksAndTheirParts(t *testing.T) {
	whole, part := 0, 0
	Run(t, map[string]func(*testing.B){
		"whole": func(b *testing.B) {
			for b.Loop() {
				whole++
			}
		},
		"in parts": func(b *testing.B) {
			b.Run("part", func(b *testing.B) {
				for b.Loop() {
					part++
				}
			})
		},
	})
	if whole != 1 || part != 1 {
		t.Errorf("ran %d and, in parts, %d times; want once each", whole, part)
	}
}
