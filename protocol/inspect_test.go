package protocol

import (
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":                         `""`,
		"id":                       `"id"`,
		`say "id"`:                 `"say \"id\""`,
		"a\\b":                     `"a\\b"`,
		"\a\b\t\n\v\f\r\x1b\x7f":   `"\a\b\t\n\v\f\r\e\d"`,
		"ünï ☃ 😀":                  `"ünï ☃ 😀"`,
		"#{x} # {":                 `"\#{x} # {"`,
		"a\x00":                    "<<97, 0>>",
		"\xff":                     "<<255>>",
		"\u0085":                   "<<194, 133>>",
		strings.Repeat("x", 5000):  `"` + strings.Repeat("x", 4096) + `" <> ...`,
		strings.Repeat("\x00", 60): "<<" + strings.Repeat("0, ", 50) + "...>>",
	} {
		if got := Quote(text); got != want {
			t.Errorf("Quote(%.40q) = %.100s; want %.100s", text, got, want)
		}
	}
}

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
