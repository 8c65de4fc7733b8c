package resume

import (
	"testing"

	"walcast/protocol"
)

func TestFingerprintsTellWhatIsSelectedNotWhereItResumes(t *testing.T) {
	a := protocol.Binding{Event: "INSERT", Schema: "public", Table: "a"}
	b := protocol.Binding{Event: "*", Schema: "public", Table: "b", Filter: "id=eq.1"}
	resumed := a
	resumed.Resume, resumed.Raw = &protocol.Resume{From: "0/1:0", History: "1.a.1.b"}, []byte("{}")
	want := FingerprintOf([]protocol.Binding{a, b})
	for name, same := range map[string][]protocol.Binding{"order": {b, a}, "resume": {resumed, b}} {
		if FingerprintOf(same) != want {
			t.Errorf("bindings that differ in %s have another fingerprint", name)
		}
	}
	filtered, told := a, a
	filtered.Filter = "id=eq.2"
	told.Transactions = true
	for name, other := range map[string][]protocol.Binding{"fewer": {a}, "filter": {filtered, b}, "transactions": {told, b}, "twice": {a, a, b}} {
		if FingerprintOf(other) == want {
			t.Errorf("%s: other bindings have the same fingerprint", name)
		}
	}
}
