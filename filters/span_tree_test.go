package filters

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"walcast/filters/datum"
)

func TestSpanTreeFindsTheSpansAroundAValue(t *testing.T) {
	typ := datum.Of(builtin(23, "int4"), datum.Options{})
	at := func(n int) datum.Value {
		v, _ := typ.Out(fmt.Sprint(n))
		return v
	}
	limits := rapid.Custom(func(t *rapid.T) limit {
		if rapid.IntRange(0, 3).Draw(t, "none") == 0 {
			return limit{}
		}
		return limit{value: at(rapid.IntRange(0, 20).Draw(t, "at")), set: true, inclusive: rapid.Bool().Draw(t, "inclusive")}
	})
	rapid.Check(t, func(t *rapid.T) {
		tree := &spanTree{typ: typ, seed: 1}
		var held []*spanNode
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				s := span{limits.Draw(t, "low"), limits.Draw(t, "high")}
				b := tree.bucket(s)
				if again := tree.bucket(s); again != b {
					t.Fatalf("a second bucket for %+v", s)
				}
				if n := tree.find(s); !slices.Contains(held, n) {
					held = append(held, n)
				}
			},
			"remove": func(t *rapid.T) {
				if len(held) > 0 {
					i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
					held[i].bucketEmptied()
					held = slices.Delete(held, i, i+1)
				}
			},
			"find": func(t *rapid.T) {
				v := at(rapid.IntRange(-1, 21).Draw(t, "value"))
				var want, got []string
				for _, n := range held {
					if n.span.above(typ, &v) && n.span.high.within(typ, &v) {
						want = append(want, fmt.Sprintf("%+v", n.span))
					}
				}
				tree.root.around(&v, func(n *spanNode) { got = append(got, fmt.Sprintf("%+v", n.span)) })
				slices.Sort(want)
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("spans around %d differ (-want +got):\n%s", v.A, diff)
				}
			},
		})
	})
}
