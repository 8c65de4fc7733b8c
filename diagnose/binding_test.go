package diagnose

import (
	"strings"
	"testing"

	"walcast/protocol"
	"walcast/replication/wal"
)

func TestParseServesAllBindingsOrNone(t *testing.T) {
	bindings, refused := Parse([]protocol.Binding{
		{Event: "*", Schema: "public", Table: "a"},
		{Event: "TRUNCATE", Schema: "public", Table: "b", Filter: "id=eq.1"},
	})
	if refused != nil || len(bindings) != 2 {
		t.Fatalf("Parse = %v, %v; want two bindings", bindings, refused)
	}
	if all := bindings[0].Events; all.Has(wal.Truncate) || !all.Has(wal.Delete) {
		t.Errorf("events of * = %v; want INSERT, UPDATE and DELETE only", all)
	}
	if len(bindings[1].Filter) != 1 {
		t.Errorf("filter = %v; want one condition", bindings[1].Filter)
	}
	bindings, refused = Parse([]protocol.Binding{{Schema: "public", Table: "a"}, {Schema: "public", Table: "b", Filter: "id=resembles.1"}})
	if bindings != nil || refused == nil || refused.Code != protocol.CodeUnknownOperator {
		t.Errorf("Parse with an unknown operator = %v, %v; want no binding and code %s", bindings, refused, protocol.CodeUnknownOperator)
	}
}

func TestParseKeepsFromPostgresWhatItCannotHave(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct {
		spec protocol.Binding
		code string
	}{
		{protocol.Binding{Schema: long, Table: "t"}, protocol.CodeUnknownSchema},
		{protocol.Binding{Schema: "public", Table: long}, protocol.CodeUnknownTable},
		{protocol.Binding{Schema: "public", Table: "t", Select: []string{"a", long}}, protocol.CodeUnknownColumn},
		{protocol.Binding{Schema: "public", Table: "t", Filter: long + "=eq.1"}, protocol.CodeUnknownColumn},
		{protocol.Binding{Schema: "public", Table: "t", Filter: "or=(a.eq.1," + long + ".eq.1)"}, protocol.CodeUnknownColumn},
		{protocol.Binding{Schema: "public", Table: "t", Filter: "a\nb=eq.1"}, protocol.CodeInvalidFilter},
		{protocol.Binding{Schema: "public", Table: "t", Filter: "a=eq.\x00"}, protocol.CodeInvalidFilter},
		{protocol.Binding{Schema: "public", Table: "t", Filter: "a->" + long + "=eq.1"}, ""},
		{protocol.Binding{Schema: "public", Table: long[:63], Filter: long[:63] + "=eq.\n" + long, Select: []string{long[:63]}}, ""},
	} {
		bindings, refused := Parse([]protocol.Binding{c.spec})
		if (refused == nil) != (c.code == "") || refused != nil && (refused.Code != c.code || bindings != nil) {
			t.Errorf("Parse(%+v) = %v, %+v; want code %q", c.spec, bindings, refused, c.code)
		}
	}
}

func TestANameThatIsTooLongIsNotRepeatedInFull(t *testing.T) {
	_, refused := Parse([]protocol.Binding{{Schema: "public", Table: strings.Repeat("x", 1<<20)}})
	if refused == nil || len(refused.Message) > 1000 {
		t.Errorf("Parse of a table name of 1 MiB is refused with %d bytes; want less than 1000", len(refused.Message))
	}
}
