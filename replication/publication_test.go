package replication

import (
	"strings"
	"testing"
)

func TestParsePublicationTables(t *testing.T) {
	cases := []struct{ setting, want string }{
		{"", `CREATE PUBLICATION "my pub" FOR TABLE …`},
		{"none", `CREATE PUBLICATION "my pub" FOR TABLE …`},
		{"all-tables", `CREATE PUBLICATION "my pub" FOR ALL TABLES`},
		{`Orders, app."Order ""Lines"""`, `CREATE PUBLICATION "my pub" FOR TABLE "orders", "app"."Order ""Lines"""`},
	}
	for _, c := range cases {
		tables, err := parsePublicationTables(c.setting)
		if got := tables.statement("my pub"); err != nil || got != c.want {
			t.Errorf("statement for %q = %s, %v; want %s", c.setting, got, err, c.want)
		}
	}
}

func TestPublicationMissingSaysWhatToDo(t *testing.T) {
	one := publicationMissing([]string{"p"}, publicationTables{}).Error()
	if want := `publication "p" does not exist: run CREATE PUBLICATION "p" FOR TABLE … as the owner of the tables, or set create-publication`; !strings.HasPrefix(one, want) {
		t.Errorf("advice = %s; want %s…", one, want)
	}
	two := publicationMissing([]string{"p", "q"}, publicationTables{}).Error()
	if want := `publications "p", "q" do not exist: run`; !strings.HasPrefix(two, want) {
		t.Errorf("advice = %s; want %s…", two, want)
	}
}

func TestAbridged(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{[]string{"a", "b"}, "a, b"},
		{[]string{"a", "b", "c", "d", "e", "f", "g"}, "a, b, c, d, e and 2 more"},
	} {
		if got := abridged(c.names); got != c.want {
			t.Errorf("abridged = %s; want %s", got, c.want)
		}
	}
}
