package transcript

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name, recorded, got string
		differs             string // part of the error, "" for none
	}{
		{name: "other order, spelling and space", recorded: `{"a":1.50,"b":"\u00e9"}`, got: `{ "b": "é", "a": 1.5 }`},
		{name: "integers beyond floats", recorded: `9007199254740993`, got: `9007199254740992`, differs: "got 9007199254740992"},
		{name: "another value", recorded: `{"a":[1,{"b":null}]}`, got: `{"a":[1,{"b":false}]}`, differs: ".a[1].b: recorded null, got false"},
		{name: "a key too much", recorded: `{}`, got: `{"a":1}`, differs: `"a" was not recorded`},
		{name: "a key missing", recorded: `{"a":1}`, got: `{}`, differs: `"a" is missing`},
		{name: "an element too much", recorded: `[1]`, got: `[1,2]`, differs: "recorded [1], got [1,2]"},
		{name: "a placeholder for a number", recorded: `["<id-1>","<id-2>","<id-1>"]`, got: `[7,8,7]`},
		{name: "a placeholder for two numbers", recorded: `["<id-1>","<id-1>"]`, got: `[7,8]`, differs: "<id-1> stands for 7 elsewhere"},
		{name: "a placeholder within a text", recorded: `"expired <secs> seconds ago (<uuid-1>)"`, got: `"expired 12 seconds ago (x)"`},
		{name: "another text around a placeholder", recorded: `"expired <secs> seconds ago"`, got: `"expired"`, differs: "recorded"},
		{name: "a placeholder as key", recorded: `{"<uuid-1>":{"n":1},"<uuid-2>":{"n":2}}`, got: `{"a":{"n":2},"b":{"n":1}}`},
		{name: "a placeholder as key and value", recorded: `["<uuid-1>",{"<uuid-1>":1}]`, got: `["a",{"b":1}]`, differs: `"a" is missing`},
		{name: "nothing for a placeholder as key", recorded: `{"<uuid-1>":1}`, got: `{"a":2}`, differs: "nothing fits"},
		{name: "a long text by its ends and size", recorded: `"ab<elided: 6 bytes in all>ef"`, got: `"abcdef"`},
		{name: "a long text of another size", recorded: `"ab<elided: 6 bytes in all>ef"`, got: `"abcddef"`, differs: "recorded"},
		{name: "not JSON", recorded: `1`, got: `1 2`, differs: "more than one value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := NewMatcher().Match([]byte(c.recorded), []byte(c.got))
			if c.differs == "" && err != nil || c.differs != "" && (err == nil || !strings.Contains(err.Error(), c.differs)) {
				t.Errorf("Match(%s, %s) = %v; want %q", c.recorded, c.got, err, c.differs)
			}
		})
	}
}
