package elixir

import (
	"strings"
	"testing"
)

func TestInspect(t *testing.T) {
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
		if got := Inspect(text); got != want {
			t.Errorf("Inspect(%.40q) = %.100s; want %.100s", text, got, want)
		}
	}
}

func TestInspectList(t *testing.T) {
	for want, items := range map[string][]string{
		`[]`:                   nil,
		`["eq", "1"]`:          {"eq", "1"},
		`["a\"b", <<255, 1>>]`: {`a"b`, "\xff\x01"},
	} {
		if got := InspectList(items); got != want {
			t.Errorf("InspectList(%q) = %s; want %s", items, got, want)
		}
	}
}
