package replication

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTableNames(t *testing.T) {
	cases := []struct {
		list string
		want []tableName
	}{
		{"orders", []tableName{{"", "orders"}}},
		{" Orders , app.Lines ", []tableName{{"", "orders"}, {"app", "lines"}}},
		{`"Orders",app."Order, Lines"`, []tableName{{"", "Orders"}, {"app", "Order, Lines"}}},
		{`"a ""b"""."c.d"`, []tableName{{`a "b"`, "c.d"}}},
		{`"My Schema" . größe`, []tableName{{"My Schema", "größe"}}},
	}
	for _, c := range cases {
		got, err := parseTableNames(c.list)
		if err != nil {
			t.Errorf("parseTableNames(%s): %v", c.list, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("parseTableNames(%s) differs (-want +got):\n%s", c.list, diff)
		}
	}
}

func TestParseTableNamesRefusesWhatIsNoList(t *testing.T) {
	for _, list := range []string{"", ",", "a,", "a b", `"a`, `""`, "a..b", "a.b.c", ".a", `a"b"`, strings.Repeat("x", 64), "a\x00b"} {
		if got, err := parseTableNames(list); err == nil {
			t.Errorf("parseTableNames(%q) = %v; want an error", list, got)
		}
	}
}

func FuzzParseTableNames(f *testing.F) {
	f.Add(`orders, app."Order ""x"" Lines"`)
	f.Add(`a.b,"c".d`)
	f.Fuzz(func(t *testing.T, list string) {
		want, err := parseTableNames(list)
		if err != nil {
			return
		}
		texts := make([]string, len(want))
		for i, name := range want {
			texts[i] = name.String()
		}
		got, err := parseTableNames(strings.Join(texts, ","))
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("parseTableNames(%q) does not survive being quoted: %v %s", list, err, diff)
		}
	})
}

func TestQuoting(t *testing.T) {
	if got, want := quoteIdentifier(`a"b`), `"a""b"`; got != want {
		t.Errorf("quoteIdentifier = %s; want %s", got, want)
	}
	if got, want := quoteLiteral(`it's`), `'it''s'`; got != want {
		t.Errorf("quoteLiteral = %s; want %s", got, want)
	}
}
