package channels

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/replication/changelog"
)

// A channel joined before the log began gets what committed since. Once it is
// told a position it gets everything after that, whenever it committed.
func TestAfterAResyncAChannelThatJoinedBeforeTheLogBeganGetsEverything(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	f.Changes = changelog.New(changelog.Config{Window: time.Hour})
	f.renew(DefaultConfig())
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(everyRow))
	f.Changes.Begin(changelog.History{System: "1"}, f.LSN, "")
	f.Commit(logtest.Insert(rel, "1", "1", "gone before a lane has read it"))
	f.Changes.Release(time.Now().Add(2 * time.Hour))
	position := f.Changes.Head().String()
	f.run()
	c.waitForResync()
	f.Commit(logtest.Insert(rel, "2", "1", "of long ago, as commit times go"))
	if diff := cmp.Diff([]any{2.0}, c.ids(1)); diff != "" {
		t.Errorf("delivered after the resync (-want +got):\n%s", diff)
	}
	for _, m := range c.wait(1) {
		if code := m.payload["code"]; code != nil && (code != changelog.CodeTooOld || m.payload["position"] != position) {
			t.Errorf("was told %v; want %s up to %s", m.payload, changelog.CodeTooOld, position)
		}
	}
}
