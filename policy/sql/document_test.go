package sql

import (
	"strings"
	"testing"
)

func TestParseDocumentLeavesToPostgresWhatItMayReadInAnotherWay(t *testing.T) {
	for _, s := range []string{
		"", "{", `{"a":1}x`, `{"a":1,"a":2}`, `{"x":{"a":1,"a":2}}`, `{"a":"\u0000"}`, `{"a\u0000":1}`, `{"a":"\ud800"}`, "{\"a\":\"\xff\"}", `{"a":1e3}`, `{"a":[1E3]}`,
		`{"a":-0}`, `{"a":-0.00}`, `{"a":` + strings.Repeat("1", 50) + `}`, strings.Repeat("[", 100) + strings.Repeat("]", 100), `{"a":01}`, `{'a':1}`, `NaN`,
	} {
		if _, err := parseDocument(s); err == nil {
			t.Errorf("parseDocument(%.40q) is certain", s)
		}
	}
	doc, err := parseDocument(` {"s": "a\"\u00e9", "n": -1.50, "t": true, "z": null, "o": {"p": {"q": "r"}}, "l": [1, {"s": "in"}]} `)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"s": `a"é`, "n": "-1.50", "t": "true"} {
		if text, ok, err := doc.field(name).scalar(); text != want || !ok || err != nil {
			t.Errorf("%s = %q, %t, %v; want %q", name, text, ok, err, want)
		}
	}
	for _, name := range []string{"z", "missing"} {
		if _, ok, err := doc.field(name).scalar(); ok || err != nil {
			t.Errorf("%s is not NULL", name)
		}
	}
	if text, _, _ := doc.field("o").field("p").field("q").scalar(); text != "r" {
		t.Errorf("o.p.q = %q", text)
	}
	for _, name := range []string{"o", "l"} {
		if _, _, err := doc.field(name).scalar(); err == nil {
			t.Errorf("the text of %s is certain", name)
		}
	}
}
