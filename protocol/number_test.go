package protocol

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestHugeNumbersAreThoseThatADoubleCannotHold(t *testing.T) {
	for text, want := range map[string]bool{
		`{"x":1e999}`:                          true,
		`{"x":-1e999}`:                         true,
		`[1,{"a":["b",1E+400]}]`:               true,
		`1.8e308`:                              true,
		`1.7976931348623157e308`:               false,
		`{"x":1e-999}`:                         false, // rounds to 0
		`{"x":123456789012345678901234567890}`: false,
		strings.Repeat("9", 309):               true,
		strings.Repeat("9", 308):               false,
		"1." + strings.Repeat("9", 400):        false,
		`{"x":"1e999"}`:                        false,
		`{"1e999":"a\"1e999"}`:                 false,
		`{"a\\":1e999}`:                        true,
		`"a\`:                                  false, // no JSON, and no reason to fall over it
		``:                                     false,
	} {
		if got := HasHugeNumber([]byte(text)); got != want {
			t.Errorf("HasHugeNumber(%.60s) = %t; want %t", text, got, want)
		}
	}
}

// FuzzHasHugeNumber holds that it agrees with a parser that reads numbers as doubles.
func FuzzHasHugeNumber(f *testing.F) {
	for _, seed := range []string{`{"x":1e999}`, `[1.5e308,"1e999",{"\"":9e307}]`, `1e-5000`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			HasHugeNumber(text) // does not fall over it
			return
		}
		var v any
		if got, want := HasHugeNumber(text), json.Unmarshal(text, &v) != nil; got != want {
			t.Errorf("HasHugeNumber(%s) = %t; want %t", text, got, want)
		}
	})
}
