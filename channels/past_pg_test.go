package channels

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
)

func TestMoreBroadcastsThanAreKeptAreToldAsMissed(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	topic, config := "realtime:room", bindings(everyRow)
	a := f.visit("tab", "anon", "")
	a.join(topic, config)
	a.answer()
	a.session.Close()
	for n := range 1000 + 1 {
		f.hub.topics.Publish(protocol.Topic{Name: topic}, protocol.Broadcast{Relay: fmt.Appendf(nil, `{"event":"n","payload":{"n":%d}}`, n)})
	}
	f.Commit(logtest.Insert(rel, "1", "1", "missed"))
	b := f.visit("tab", "anon", "")
	at := b.join(topic, config).payload["response"].(map[string]any)["position"]
	b.waitFor(protocol.EventBroadcast, 1000)
	if diff := cmp.Diff([]any{protocol.CodeBroadcastsMissed}, b.resyncs()); diff != "" {
		t.Errorf("resyncs (-want +got):\n%s", diff)
	}
	for _, m := range b.waitFor(protocol.EventSystem, 1) {
		if m.payload["code"] == protocol.CodeBroadcastsMissed && (m.payload["from"] != at || m.payload["position"] != at) {
			t.Errorf("resync of broadcasts %v; want it to give up no row after %v, where the channel goes on", m.payload, at)
		}
	}
	if diff := cmp.Diff([]any{1.0}, b.ids(1)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
