package channels

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
)

func TestAQuietChannelIsToldHowFarItIs(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable, `create table other (id int); grant all on other to anon`)
	rel, other := f.Relation("messages"), f.Relation("other")
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(everyRow))
	f.Commit(logtest.Insert(rel, "1", "1", "mine"))
	c.waitFor(protocol.EventPostgresChanges, 1)
	f.Commit(logtest.Insert(other, "1"))
	f.Changes.Append(time.Now(), nil, f.LSN+0x50) // a keepalive
	f.waitSent(c)
	c.join("realtime:none", `{}`)
	var told message
	for _, topic := range []string{"realtime:none", "realtime:room"} {
		ref := c.send(topic, protocol.EventPosition, "{}")
		replies := c.waitFor(protocol.EventReply, c.refs)
		if told = replies[len(replies)-1]; told.ref != ref || told.payload["status"] != "ok" {
			t.Fatalf("reply on %s = %v; want ok to %s", topic, told.payload, ref)
		}
	}
	position := told.payload["response"].(map[string]any)["position"]
	if want := f.Changes.Head().String(); position != want {
		t.Errorf("position of the quiet channel = %v; want %s, where the log is", position, want)
	}
	f.releaseAll() // the row is gone from the log
	f.Commit(logtest.Insert(rel, "2", "1", "missed"))
	again := f.connect("anon", "")
	again.join("realtime:room", bindings(fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","resume":{"from":%q}}`, position)))
	if diff := cmp.Diff([]any{2.0}, again.ids(1)); diff != "" {
		t.Errorf("after the position (-want +got):\n%s", diff)
	}
	if got := again.resyncs(); got != nil {
		t.Errorf("was told %v; want nothing", got)
	}
}

// A client that names a position gets its rows, but it is not known which broadcasts
// it has missed.
func TestAForgottenClientThatNamesAPositionIsToldOfItsBroadcasts(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	first := logtest.Insert(rel, "1", "1", "had")
	f.Commit(first)
	f.Commit(logtest.Insert(rel, "2", "1", "missed"))
	f.hub.Restore() // nothing is known of an earlier run
	position := first.Position.String()
	resuming := bindings(fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","resume":{"from":%q}}`, position))
	for i, want := range [][]any{{changelog.CodeUnknown}, {changelog.CodeUnknown}, nil} {
		c := f.visit("tab", "anon", "")
		c.join("realtime:room", resuming)
		if diff := cmp.Diff([]any{2.0}, c.ids(1)); diff != "" {
			t.Errorf("rows of visit %d (-want +got):\n%s", i+1, diff)
		}
		if diff := cmp.Diff(want, c.resyncs()); diff != "" {
			t.Errorf("visit %d (-want +got):\n%s", i+1, diff)
		}
		for _, m := range c.wait(1) {
			switch {
			case m.event == protocol.EventPostgresChanges:
				want = nil // what is told is told before
			case m.payload["code"] == nil:
			case want == nil || m.payload["from"] != nil || m.payload["position"] != position:
				t.Errorf("visit %d was told %v; want from null, position %s, before the row", i+1, m.payload, position)
			}
		}
		if i > 0 {
			c.answer()
		}
		c.session.Close()
	}
	named := f.connect("anon", "") // without a client_id it has no broadcasts to miss
	named.join("realtime:room", resuming)
	named.ids(1)
	if got := named.resyncs(); got != nil {
		t.Errorf("a client without client_id was told %v; want nothing", got)
	}
}
