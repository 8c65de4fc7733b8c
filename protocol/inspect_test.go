package protocol

import (
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
	for text, want := range map[string]string{
		`null`:                                "nil",
		`true`:                                "true",
		`1.50`:                                "1.50",
		`[1, 2,[]]`:                           "[1, 2, []]",
		`{}`:                                  "%{}",
		`{"b":{"d":null},"a":["x"],"b":1}`:    `%{"a" => ["x"], "b" => 1}`,
		`{"\u0062":1, "a\"":2}`:               `%{"a\"" => 2, "b" => 1}`,
		"[" + strings.Repeat("1,", 60) + "1]": "[" + strings.Repeat("1, ", 50) + "...]",
		strings.Repeat("[", 60) + strings.Repeat("]", 60): strings.Repeat("[", 51) + "..." + strings.Repeat("]", 51),
		`"` + strings.Repeat("x", 100_000) + `"`:          "...",
	} {
		v, ok := parse([]byte(text))
		if got := v.inspect(); !ok || got != want {
			t.Errorf("inspect of %.60s = %.200s; want %.200s", text, got, want)
		}
	}
}
