package cluster

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/nodes"
)

// FuzzBeat has whatever is read written and read again.
func FuzzBeat(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{formatNumber, '{'})
	f.Add([]byte{formatNumber + 1})
	f.Add(beat{Run: "r", Node: Node{Node: "a:1", Role: "reader"}}.encode())
	f.Fuzz(func(t *testing.T, message []byte) {
		b, err := decodeBeat(message)
		var newer nodes.NewerError
		if errors.As(err, &newer) != (len(message) > 0 && message[0] > formatNumber) {
			t.Errorf("decodeBeat(%x) = %v; want that it is of a newer version just where it is", message, err)
		}
		if err != nil {
			return
		}
		again, err := decodeBeat(b.encode())
		if diff := cmp.Diff(b, again); diff != "" || err != nil {
			t.Errorf("read again (-before +after): %v\n%s", err, diff)
		}
	})
}
