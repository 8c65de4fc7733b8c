package channels

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/wal"
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

// TestWhatIsLostBetweenNodesIsTold has a broadcast of another node not come: the client
// is told, and its rows go on.
func TestWhatIsLostBetweenNodesIsTold(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	topic, config := "realtime:room", bindings(everyRow)
	known, plain := f.visit("tab", "anon", ""), f.visit("", "anon", "")
	for _, c := range []*client{known, plain} {
		c.join(topic, config)
	}
	f.Commit(logtest.Insert(rel, "1", "1", "before"))
	known.waitFor(protocol.EventPostgresChanges, 1)
	f.hub.topics.Lost(protocol.Topic{Name: topic})
	f.Commit(logtest.Insert(rel, "2", "1", "after"))
	known.waitFor(protocol.EventPostgresChanges, 2)
	plain.waitFor(protocol.EventPostgresChanges, 2)
	if diff := cmp.Diff([]any{protocol.CodeBroadcastsMissed}, known.resyncs()); diff != "" {
		t.Errorf("resyncs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any(nil), plain.resyncs()); diff != "" {
		t.Errorf("resyncs of a client without client_id (-want +got):\n%s", diff)
	}
	for _, m := range known.waitFor(protocol.EventSystem, 2) {
		if m.payload["code"] != protocol.CodeBroadcastsMissed {
			continue
		}
		position, err := wal.ParsePosition(m.payload["position"].(string))
		if before, after := f.positionOf(known, 0), f.positionOf(known, 1); err != nil || position.Compare(before) < 0 || position.Compare(after) >= 0 {
			t.Errorf("told position %v, %v; want one from %v to before %v", position, err, before, after)
		}
	}
}

// positionOf is that of a row which a client has got, counted from 0.
func (f *fixture) positionOf(c *client, row int) wal.Position {
	f.Helper()
	data := c.waitFor(protocol.EventPostgresChanges, row+1)[row].payload["data"].(map[string]any)
	position, err := wal.ParsePosition(fmt.Sprintf("%v:%v", data["lsn"], data["seq"]))
	if err != nil {
		f.Fatal(err)
	}
	return position
}
