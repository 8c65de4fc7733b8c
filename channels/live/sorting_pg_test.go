package live

import (
	"fmt"
	"testing"
)

// TestHowAnOrderSortsIsSaid has what clients cannot see in the values: what domains are
// made of, the order of labels, and by what text is sorted.
func TestHowAnOrderSortsIsSaid(t *testing.T) {
	l := newLab(t, nil,
		`create type mood as enum ('sad', 'ok', 'happy'); create domain feeling as mood; create domain worse as feeling;
		create collation swedish (provider = icu, locale = 'sv-SE'); create collation alike (provider = icu, locale = 'und', deterministic = false)`,
		`create table things (id int primary key, mood mood, worse worse, n numeric(9, 2), bytes text collate "C", swedish varchar collate swedish, alike text collate alike, plain text, doc jsonb);
		grant select on things to anon`).run()
	var locale string
	if err := l.db.Pool.QueryRow(t.Context(), "select datcollate from pg_database where datname = current_database()").Scan(&locale); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"type":"text","collation":{"locale":%q,"default":true}}`, languageTag(locale))
	for order, want := range map[string]string{
		"":                 "",
		"id":               `[{"type":"int4"}]`,
		"n.desc,mood":      `[{"type":"numeric"},{"type":"mood","labels":["sad","ok","happy"]}]`,
		"worse":            `[{"type":"mood","labels":["sad","ok","happy"]}]`,
		"bytes":            `[{"type":"text","collation":{"locale":"C","default":false}}]`,
		"swedish":          `[{"type":"varchar","collation":{"locale":"sv-SE","default":false}}]`,
		"alike":            `[{"type":"text","collation":{"locale":"","default":false}}]`,
		"plain,doc->>name": `[` + text + `,` + text + `]`,
		"doc->name":        fmt.Sprintf(`[{"type":"jsonb","collation":{"locale":%q,"default":true}}]`, languageTag(locale)),
	} {
		s, err := l.take("anon", "{}", of("things", fmt.Sprintf(`,"order":%q`, order)))
		if err != nil {
			t.Fatalf("%s: %v", order, err)
		}
		if got := string(s.Heads[0].Order); got != want {
			t.Errorf("the order %q sorts as %s; want %s", order, got, want)
		}
	}
}

func TestLocalesAreNamedAsBrowsersDo(t *testing.T) {
	for locale, want := range map[string]string{
		"C": "C", "POSIX": "C", "C.UTF-8": "C", "en_US.UTF-8": "en-US", "de_DE@euro": "de-DE", "sv-SE": "sv-SE", "und": "und", "": "",
	} {
		if got := languageTag(locale); got != want {
			t.Errorf("%q is %q; want %q", locale, got, want)
		}
	}
}
