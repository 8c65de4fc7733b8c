package filters

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestValuesAreAMultiset(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var vs values[int]
		want := map[int]int{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				v := rapid.IntRange(0, 40).Draw(t, "value")
				vs.add(v)
				want[v]++
			},
			"remove": func(t *rapid.T) {
				v := rapid.IntRange(0, 40).Draw(t, "value")
				if got := vs.remove(v); got != (want[v] > 0) {
					t.Fatalf("remove(%d) = %t; it is there %d times", v, got, want[v])
				}
				if want[v]--; want[v] <= 0 {
					delete(want, v)
				}
			},
			"": func(t *rapid.T) {
				var got, all []int
				for _, c := range vs.list {
					got = append(got, c.value)
				}
				for v := range want {
					all = append(all, v)
				}
				slices.Sort(got)
				slices.Sort(all)
				if diff := cmp.Diff(all, got); diff != "" {
					t.Fatalf("values differ (-want +got):\n%s", diff)
				}
			},
		})
	})
}
