package filters

import "testing"

// possible is what a truth value may turn out to be.
func possible(t Truth) []Truth {
	if t == Undecided {
		return []Truth{False, Unknown, True}
	}
	return []Truth{t}
}

// TestTruthIsDecidedAsFarAsItCan: a result is Undecided only if what it is made
// of could still make it one thing or another.
func TestTruthIsDecidedAsFarAsItCan(t *testing.T) {
	all := []Truth{False, Unknown, True, Undecided}
	for name, op := range map[string]struct {
		ours func(a, b Truth) Truth
		sql  func(a, b Truth) Truth
	}{
		"and": {Truth.and, func(a, b Truth) Truth { return min(a, b) }},
		"or":  {Truth.or, func(a, b Truth) Truth { return max(a, b) }},
	} {
		for _, a := range all {
			for _, b := range all {
				results := map[Truth]bool{}
				for _, x := range possible(a) {
					for _, y := range possible(b) {
						results[op.sql(x, y)] = true
					}
				}
				want := Undecided
				for only := range results {
					if len(results) == 1 {
						want = only
					}
				}
				if got := op.ours(a, b); got != want {
					t.Errorf("%s %s %s = %s; want %s", a, name, b, got, want)
				}
			}
		}
	}
	for a, want := range map[Truth]Truth{False: True, True: False, Unknown: Unknown, Undecided: Undecided} {
		if got := a.not(); got != want {
			t.Errorf("not %s = %s; want %s", a, got, want)
		}
	}
}
