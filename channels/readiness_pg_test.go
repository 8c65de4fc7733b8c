package channels

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/protocol"
	"walcast/replication/changelog"
)

func TestAChannelIsWarnedThatMessagesDoNotArriveAndToldWhenTheyDo(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	f.Changes = changelog.New(changelog.Config{Window: time.Hour})
	f.rerun(DefaultConfig(), func() {})
	c := f.connect("anon", "")
	c.join("realtime:room", `{"broadcast":{"replication_ready":true},"presence":{"enabled":false}}`)
	for range 2 { // it is warned once
		f.hub.readiness.due(now().Add(2 * readinessLimit))
	}
	f.Changes.Begin(changelog.History{System: "1"}, f.LSN, "")
	want := []string{"ok warning: " + protocol.MessageReplicationAway, "ok " + protocol.MessageReplicationReady}
	var got []string
	for _, m := range c.waitFor(protocol.EventSystem, 2) {
		got = append(got, m.payload["status"].(string)+" "+m.payload["message"].(string))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
