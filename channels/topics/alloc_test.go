package topics

import (
	"testing"

	"walcast/protocol"
)

// drain is an Outbox that keeps nothing.
type drain struct{}

func (drain) Push(*protocol.Frame) {}

// TestNothingMoreIsAllocatedWithoutACluster counts what there was before there were nodes.
func TestNothingMoreIsAllocatedWithoutACluster(t *testing.T) {
	f := newFixture(t, Config{})
	config := MemberConfig{Address: protocol.Address{Version: protocol.V2, Topic: room.Name}, Outbox: drain{}, Self: true}
	m := f.Join(room, config)
	defer m.Leave()
	b := text(1)
	for name, do := range map[string]func(){
		"a broadcast of a member": func() { _ = m.Broadcast(b) }, // there is no bus that could refuse it
		"a broadcast over HTTP":   func() { _ = f.Publish(room, b) },
		"a join":                  func() { f.Join(protocol.Topic{Name: "realtime:other"}, config).Leave() },
	} {
		if got := testing.AllocsPerRun(100, do); got > 4 {
			t.Errorf("%s allocates %v times; want 4", name, got)
		}
	}
}
