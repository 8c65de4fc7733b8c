package spread

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"walcast/internal/nodes"
)

func TestMessagesArriveAsTheyWere(t *testing.T) {
	for _, m := range examples() {
		encoded := m.encode()
		setNumbers(encoded, m.number+1, m.prev)
		m.number++
		got, err := decode(encoded)
		if diff := cmp.Diff(m, got, cmp.AllowUnexported(message{}), cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("decode of %c: %v (-want +got):\n%s", m.kind, err, diff)
		}
		if (m.carried.Opaque == nil) != (got.carried.Opaque == nil) || (m.carried.Relay == nil) != (got.carried.Relay == nil) {
			t.Errorf("a broadcast of another form: %+v, want %+v", got.carried, m.carried)
		}
		for n := range len(encoded) {
			if m.kind == kindBroadcast && n > len(encoded)-len("{}") {
				break // a shorter payload
			}
			if cut, err := decode(encoded[:n]); err == nil && m.kind != kindBroadcast && len(cut.news) == len(m.news) && n < len(encoded) {
				t.Errorf("%c cut off at %d is read as %+v", m.kind, n, cut)
			}
		}
	}
}

func TestANewerFormatIsTold(t *testing.T) {
	_, err := decode([]byte{format + 1, 'x'})
	var newer nodes.NewerError
	if !errors.As(err, &newer) {
		t.Errorf("decode of a newer format = %v; want an error that says so", err)
	}
}
