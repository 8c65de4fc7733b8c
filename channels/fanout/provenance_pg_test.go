package fanout

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// TestWhoComesBeforeTheLogIsToldOnceItsHistoryIsKnown: until the log has begun nobody
// knows whether a position that was issued elsewhere is one of it.
func TestWhoComesBeforeTheLogIsToldOnceItsHistoryIsKnown(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.run()
	source := changelog.Source{System: firstHistory.System, Database: "app", Timeline: 1, Publications: []string{"a"}}
	elsewhere := func(change func(s *changelog.Source)) changelog.Provenance {
		s := source
		change(&s)
		l := changelog.New(changelog.Config{})
		l.ReadFrom(s)
		l.Begin(changelog.History{System: s.System}, 1, "")
		return l.Provenance(wal.Position{})
	}
	inside := wal.Position{LSN: f.LSN + 0x100} // the only change of the first transaction
	clients := []struct {
		name       string
		at         wal.Position
		provenance changelog.Provenance
		want       []string
		inbox      *inbox
	}{
		{"of this server", inside, elsewhere(func(*changelog.Source) {}), []string{"row 2"}, newInbox()},
		{"of another cluster", inside, elsewhere(func(s *changelog.Source) { s.System = "other" }), []string{"resync " + changelog.CodeOtherCluster, "row 1", "row 2"}, newInbox()},
		{"of other publications", inside, elsewhere(func(s *changelog.Source) { s.Publications = nil }), []string{"resync " + changelog.CodeUnknown, "row 1", "row 2"}, newInbox()},
		{"of other publications, between transactions", wal.Before(inside.LSN), elsewhere(func(s *changelog.Source) { s.Publications = nil }), []string{"row 1", "row 2"}, newInbox()},
	}
	for _, c := range clients {
		f.subscribe(c.inbox, ask{bindings: everyRow, after: []wal.Position{c.at}, provenance: c.provenance}, Start{From: Named})
	}
	rel := f.Relation("messages")
	f.Changes.ReadFrom(source)
	f.Changes.Begin(firstHistory, f.LSN, "")
	for _, c := range clients {
		if len(c.want) > 2 {
			c.inbox.wait(t, 1)
		}
	}
	f.Commit(logtest.Insert(rel, "1", "1", "one"))
	f.Commit(logtest.Insert(rel, "2", "1", "two"))
	for _, c := range clients {
		if diff := cmp.Diff(c.want, c.inbox.wait(t, len(c.want))); diff != "" {
			t.Errorf("to the client with a position %s (-want +got):\n%s", c.name, diff)
		}
	}
}
