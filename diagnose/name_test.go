package diagnose

import (
	"strings"
	"testing"

	"walcast/replication/catalog"
)

func TestParseTable(t *testing.T) {
	for text, want := range map[string]catalog.TableName{"todos": {Schema: "public", Table: "todos"}, "app.Orders": {Schema: "app", Table: "Orders"}, "app.a.b": {Schema: "app", Table: "a.b"}} {
		if got, err := ParseTable(text); err != nil || got != want {
			t.Errorf("ParseTable(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".", "app.", ".t", "a\x00b", strings.Repeat("x", 64)} {
		if got, err := ParseTable(text); err == nil {
			t.Errorf("ParseTable(%q) = %+v; want an error", text, got)
		}
	}
}
