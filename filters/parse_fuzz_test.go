package filters

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"id=eq.5", "name=not.in.(a,b)", `t=eq."a,\"b"`, "a=eq.x),b=eq.y", `or=(a.eq.1,not.and(b.gt."2,",c.in.(1,2)))`, `"b=eq."2",c=eq.1`,
		`(a=eq."1,b=eq.2`, "tags=cs.{a,b}", "r=ov.(1,5]", "d->a->>b=is.null", `or=("a.b".eq."x"`, ",", "=.,", `x=eq.1,"b=eq.2,c=eq.3`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := Parse(s)
		if err != nil {
			return // refusing is fine, changing the meaning is not
		}
		got, err := Parse(want.String())
		if err != nil {
			t.Fatalf("Parse(%q), written from %q: %v", want.String(), s, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q reads differently as %q (-want +got):\n%s", s, want.String(), diff)
		}
	})
}
