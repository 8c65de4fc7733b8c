package diagnose

import (
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
