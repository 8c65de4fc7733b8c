//go:build !race

package presence

import (
	"encoding/json"
	"testing"

	"walcast/protocol"
)

// deaf is an Outbox that drops everything.
type deaf struct{}

func (deaf) Push(*protocol.Frame) {}

// TestOneNodeDoesNotPayForOthers counts what a client's track and the diff of it allocate
// without other nodes.
func TestOneNodeDoesNotPayForOthers(t *testing.T) {
	r := NewRooms(RoomsConfig{}, nil) // does not run
	m := r.Member(crowded, MemberConfig{Key: "ann", Client: "tab", Outbox: deaf{}, Address: protocol.Address{Version: protocol.V2, Topic: crowded.Name}})
	payloads := [2]json.RawMessage{json.RawMessage(`{"n":1}`), json.RawMessage(`{"n":2}`)}
	n := 0
	allocated := testing.AllocsPerRun(200, func() {
		n++
		if _, err := m.Track(payloads[n%2], false); err != nil {
			t.Fatal(err)
		}
		r.find(crowded).flush()
		r.flusher.takeChanged()
	})
	if allocated > 24 {
		t.Errorf("a track and its diff allocate %v times; want 24 at most", allocated)
	}
}
