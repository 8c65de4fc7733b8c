package filters

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want Filter
	}{
		{"", nil},
		{"  ", nil},
		{"id=eq.5", Filter{{Column: "id", Op: Eq, Value: "5"}}},
		{"id=gt.0,id=lt.100", Filter{{Column: "id", Op: Gt, Value: "0"}, {Column: "id", Op: Lt, Value: "100"}}},
		{`name=in.(red,"a,b")`, Filter{{Column: "name", Op: In, Value: `{red,"a,b"}`}}},
		{"status=not.in.(draft,archived)", Filter{{Column: "status", Op: In, Value: "{draft,archived}", Negate: true}}},
		{`title=eq."a,b"`, Filter{{Column: "title", Op: Eq, Value: "a,b"}}},
		{"a=eq.x),b=eq.y", Filter{{Column: "a", Op: Eq, Value: "x)"}, {Column: "b", Op: Eq, Value: "y"}}},
		{"ts=gt.2024-01-01T00:00:00.5", Filter{{Column: "ts", Op: Gt, Value: "2024-01-01T00:00:00.5"}}},
		{`name=eq.O'Brien "x"`, Filter{{Column: "name", Op: Eq, Value: `O'Brien "x"`}}},
		{`name=eq."a`, Filter{{Column: "name", Op: Eq, Value: `"a`}}},
		{`name=eq."a\"\x"`, Filter{{Column: "name", Op: Eq, Value: `a"x`}}},
		{`name=eq."a"b"`, Filter{{Column: "name", Op: Eq, Value: `"a"b"`}}},
		{" id=eq.1 , title=eq.x", Filter{{Column: "id", Op: Eq, Value: "1"}, {Column: "title", Op: Eq, Value: "x"}}},
		{"id=eq. 1", Filter{{Column: "id", Op: Eq, Value: " 1"}}},
		{"=eq.1", Filter{{Column: "", Op: Eq, Value: "1"}}},
		{"(a,b)=eq.1", Filter{{Column: "(a,b)", Op: Eq, Value: "1"}}},
		{"a=eq.((x),y),b=eq.1", Filter{{Column: "a", Op: Eq, Value: "((x),y)"}, {Column: "b", Op: Eq, Value: "1"}}},
		{"data->a->>b=eq.1", Filter{{Column: "data->a->>b", Op: Eq, Value: "1"}}},
		{"tags=cs.{a,b},id=eq.1", Filter{{Column: "tags", Op: Contains, Value: "{a,b}"}, {Column: "id", Op: Eq, Value: "1"}}},
		{`doc=not.cd.{"a":"}","b":[1,2]},id=eq.1`, Filter{{Column: "doc", Op: ContainedBy, Value: `{"a":"}","b":[1,2]}`, Negate: true}, {Column: "id", Op: Eq, Value: "1"}}},
		{"during=ov.(1,5],id=eq.1", Filter{{Column: "during", Op: Overlaps, Value: "(1,5]"}, {Column: "id", Op: Eq, Value: "1"}}},
		{"or=(a.eq.1,b.gt.2)", Filter{{Op: Any, Group: Filter{{Column: "a", Op: Eq, Value: "1"}, {Column: "b", Op: Gt, Value: "2"}}}}},
		{`c=eq.1,not.and=(a.not.in.(1,2),or("x.y".eq."p,q",d->>e.is.null))`, Filter{
			{Column: "c", Op: Eq, Value: "1"},
			{Op: All, Negate: true, Group: Filter{
				{Column: "a", Op: In, Value: "{1,2}", Negate: true},
				{Op: Any, Group: Filter{{Column: "x.y", Op: Eq, Value: "p,q"}, {Column: "d->>e", Op: Is, Value: "null"}}},
			}},
		}},
		{"or=eq.1", Filter{{Column: "or", Op: Eq, Value: "1"}}},
		{"or=(tags.cs.{a,b},id.eq.1)", Filter{{Op: Any, Group: Filter{{Column: "tags", Op: Contains, Value: "{a,b}"}, {Column: "id", Op: Eq, Value: "1"}}}}},
	} {
		got, err := Parse(c.text)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("Parse(%q) differs (-want +got):\n%s", c.text, diff)
		}
		again, err := Parse(got.String())
		if err != nil {
			t.Errorf("Parse(%q), written from %q: %v", got.String(), c.text, err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%q reads differently as %q (-want +got):\n%s", c.text, got.String(), diff)
		}
	}
}

func TestParseRefusesAsUpstream(t *testing.T) {
	const empty = "filter must not contain empty segments (check for extra commas)"
	for _, c := range []struct{ text, want string }{
		{"bogus", `["bogus"]`},
		{"=", `[""]`},
		{"id=", `[""]`},
		{"id=eq", `["eq"]`},
		{"id=.1", `["", "1"]`},
		{"id=1", `["1"]`},
		{".eq.1", `[".eq.1"]`},
		{"id==eq.1", `["=eq", "1"]`},
		{"id=EQ.1", `["EQ", "1"]`},
		{"id=not.1", `["1"]`},
		{"id=not.foo.1", `["foo", "1"]`},
		{"id=not.not.eq.1", `["not", "eq.1"]`},
		{"id = eq.1", `[" eq", "1"]`},
		{"id=eq.1,", empty},
		{",id=eq.1", empty},
		{"id=eq.1,,id=eq.2", empty},
		{"id=in.1,2", "`in` filter value must be wrapped by parentheses"},
		{"id=in.(1,2", "`in` filter value must be wrapped by parentheses"},
		{"id=in.{1,2}", "`in` filter value must be wrapped by parentheses"},
		{"t=eq.a,b", `["b"]`},
		{"arr=eq.{1,2}", `["2}"]`},
		{"title=fts.cat", `["fts", "cat"]`},
		{`t=a"b.\`, `["a\"b", "\\"]`},
		{"t=#{x}.\n\tx\x7f", `["\#{x}", "\n\tx\d"]`},
		{"t=\x00.1", `[<<0>>, "1"]`},
		{"or=(id.eq.1", `["(id", "eq.1"]`},
		{"or=(a.eq.1)(b.eq.2)", `["(a", "eq.1)(b.eq.2)"]`},
		{"or=()", empty},
		{"or=(a)", `["a"]`},
		{"or=(a.foo.1)", `["foo", "1"]`},
		{"id=" + strings.Repeat("x", 5000), `["` + strings.Repeat("x", 4096) + `" <> ...]`},
	} {
		_, err := Parse(c.text)
		var wrong *ParseError
		if want := "Error parsing `filter` params: " + c.want; !errors.As(err, &wrong) || wrong.Message != want {
			t.Errorf("Parse(%.80q) = %v; want %s", c.text, err, want)
		}
	}
}
