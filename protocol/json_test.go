package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// anyJSON draws a JSON value with all that a text can have: space, escapes,
// nesting, names that repeat.
func anyJSON(depth int) *rapid.Generator[string] {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t"})
	text := rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{
			"a", "b", "id", " ", "ü", "😀", `\"`, `\\`, `\/`, `\u00e9`, `\ud83d\ude00`, `\n`, "{", "}", "[", "]", ",", ":",
		}), 0, 4).Draw(t, "text")
		return `"` + strings.Join(parts, "") + `"`
	})
	scalar := rapid.OneOf(text, rapid.SampledFrom([]string{"null", "true", "false", "0", "-1", "1.50", "1e3", "12345678901234567890"}))
	if depth == 0 {
		return scalar
	}
	nested := anyJSON(depth - 1)
	return rapid.OneOf(scalar, rapid.Custom(func(t *rapid.T) string {
		var parts []string
		isObject := rapid.Bool().Draw(t, "isObject")
		for range rapid.IntRange(0, 4).Draw(t, "size") {
			part := space.Draw(t, "space") + nested.Draw(t, "nested") + space.Draw(t, "space")
			if isObject {
				part = space.Draw(t, "space") + text.Draw(t, "name") + space.Draw(t, "space") + ":" + part
			}
			parts = append(parts, part)
		}
		body := strings.Join(parts, ",") + space.Draw(t, "space")
		if len(parts) == 0 {
			body = space.Draw(t, "space")
		}
		if isObject {
			return "{" + body + "}"
		}
		return "[" + body + "]"
	}))
}

// tree decodes a value by its pairs and elements, as encoding/json does.
func tree(v value) any {
	switch v.kind() {
	case 'n':
		return nil
	case 't', 'f':
		return v.kind() == 't'
	case '"':
		s, _ := v.text()
		return s
	case '[':
		all := []any{}
		for e := range v.elements() {
			all = append(all, tree(e))
		}
		return all
	case '{':
		all := map[string]any{}
		for name, m := range v.pairs() {
			all[string(name)] = tree(m)
		}
		return all
	}
	return json.Number(v)
}

func TestValuesAreReadAsEncodingJSONReadsThem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := " " + anyJSON(3).Draw(t, "json") + "\n"
		v, ok := parse([]byte(text))
		if !ok {
			t.Fatalf("parse(%q) is not ok", text)
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := tree(v); !reflect.DeepEqual(got, want) {
			t.Fatalf("pairs and elements of %q give %#v; want %#v", text, got, want)
		}
	})
}

func TestParseRefusesWhatIsNotJSON(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "[", "[1,]", `{"a"}`, `{"a":}`, "[1 2]", "1 2", "NaN", "'a'", "\x00", "\ufeff{}", "\"\xff\"", `"\ud83d"`, `"\q"`,
		"\"\n\"", "01", strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	} {
		if v, ok := parse([]byte(text)); ok {
			t.Errorf("parse(%.40q) = %.40q; want it refused", text, v)
		}
	}
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	if _, ok := parse([]byte(deep)); !ok {
		t.Error("parse refuses 9,000 nested arrays; the limit is 10,000")
	}
}

func TestAppendQuotedIsReadAsWritten(t *testing.T) {
	for _, text := range []string{"", "plain", `a"b\c`, "\x00\x1f\x7f", "ünï ☃ 😀", "\u2028", "</script>"} {
		var got string
		quoted := appendQuoted(nil, text)
		if err := json.Unmarshal(quoted, &got); err != nil || got != text {
			t.Errorf("appendQuoted(%q) = %s, read as %q, %v", text, quoted, got, err)
		}
		if again := appendQuoted(nil, []byte(text)); !bytes.Equal(quoted, again) {
			t.Errorf("appendQuoted of bytes %q = %s; of the string %s", text, again, quoted)
		}
	}
	if got := string(appendQuoted(nil, "a\xffb")); got != "\"a\ufffdb\"" {
		t.Errorf("appendQuoted of invalid UTF-8 = %s; want a replacement character", got)
	}
}

func TestDecodedMessageSharesNoMemory(t *testing.T) {
	for _, c := range []struct {
		version Version
		binary  bool
		frame   string
	}{
		{V1, false, `{"topic":"realtime:a","event":"e","payload":{"x":1},"ref":"1","join_ref":"2"}`},
		{V2, false, `["2","1","realtime:a","e",{"x":1}]`},
		{V2, false, `["2","1",{"a":1},"e",{"x":1}]`},
		{V2, true, "\x03\x01\x01\x0a\x01\x00\x0121realtime:ae{\"x\":1}"},
		{V2, true, "\x00\x01\x01\x0a\x0121realtime:ae{\"x\":1}"},
	} {
		data := []byte(c.frame)
		m, err := c.version.Decode(data, c.binary)
		if err != nil {
			t.Fatalf("Decode(%q): %v", c.frame, err)
		}
		before := fmt.Sprintf("%+v", m)
		for i := range data {
			data[i] = 'x'
		}
		if after := fmt.Sprintf("%+v", m); after != before {
			t.Errorf("message of %q became %s when the buffer was used again; it was %s", c.frame, after, before)
		}
	}
}
