package channels

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/auth"
	"walcast/internal/logtest"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
)

// rerun is another run of the server: a hub with the state that the fixture's has
// left, on the log as it is.
func (f *fixture) rerun(config Config, stop func()) {
	f.Helper()
	stop()
	f.renew(config)
	f.hub.Restore()
	f.run()
}

// renew makes another hub on the log as it is, which does not run yet.
func (f *fixture) renew(config Config) {
	f.renewWith(config, policy.New(policy.DefaultConfig(), f.db.Pool, slog.New(slog.DiscardHandler), nil))
}

// renewWith is renew with another policy.
func (f *fixture) renewWith(config Config, p *policy.Policy) {
	f.Helper()
	logger := slog.New(slog.DiscardHandler)
	verifier, err := auth.NewVerifier(auth.Config{Secrets: []string{secret}})
	if err != nil {
		f.Fatal(err)
	}
	tables := logtest.Catalog(f.db)
	config.Operators = policy.NewOperators(f.db.Pool, nil)
	f.policy = p
	f.hub = NewHub(config, f.Changes, tables, p, verifier, logger, prometheus.NewRegistry())
}

func TestAStopKeepsTheStateAndAnUncleanEndIsNoticed(t *testing.T) {
	config := DefaultConfig()
	config.StateFile = filepath.Join(t.TempDir(), "state", "walcast.clients")
	f := newIdleFixture(t, config, messagesTable)
	f.Changes = changelog.New(changelog.Config{Bytes: 64 << 20, Window: time.Hour})
	f.Changes.Begin(changelog.History{System: "1", Timeline: 1, Slot: "walcast"}, f.LSN, changelog.CodeSlotMissing) // the first run makes its slot
	f.rerun(config, func() {})
	rel := f.Relation("messages")
	hub := f.hub

	a := f.visit("tab", "anon", "")
	a.join("realtime:room", bindings(everyRow))
	a.answer()
	a.session.Close()
	hub.topics.Publish(protocol.Topic{Name: "realtime:room"}, protocol.Broadcast{Relay: []byte(`{"event":"n"}`)})
	f.rerun(config, func() { hub.clients.Save(time.Now(), hub.logger) })
	f.rerun(config, func() { f.hub.clients.Save(time.Now(), f.hub.logger) }) // no client was back in between
	f.Commit(logtest.Insert(rel, "1", "1", "missed"))
	b := f.visit("tab", "anon", "")
	b.join("realtime:room", bindings(everyRow))
	if diff := cmp.Diff([]any{1.0}, b.ids(1)); diff != "" {
		t.Errorf("after two stops (-want +got):\n%s", diff)
	}
	if got := string(b.waitFor(protocol.EventBroadcast, 1)[0].frame.Payload()); got != `[null,null,"realtime:room","broadcast",{"event":"n"}]` {
		t.Errorf("broadcast before the stops = %s; want it as it was sent", got)
	}
	if got := b.resyncs(); got != nil {
		t.Errorf("after two stops was told %v; want nothing", got)
	}
	stranger := f.visit("new", "anon", "")
	stranger.join("realtime:room", bindings(everyRow))
	if got := stranger.resyncs(); got != nil {
		t.Errorf("a new client after a stop was told %v; want nothing", got)
	}

	f.rerun(config, func() {}) // killed
	stranger = f.visit("new", "anon", "")
	stranger.join("realtime:room", bindings(everyRow))
	if diff := cmp.Diff([]any{changelog.CodeUnknown}, stranger.resyncs()); diff != "" {
		t.Errorf("after a kill (-want +got):\n%s", diff)
	}
	f.rerun(config, func() { f.hub.clients.Save(time.Now(), f.hub.logger) })
	other := f.visit("not back until now", "anon", "")
	other.join("realtime:room", bindings(everyRow))
	if diff := cmp.Diff([]any{changelog.CodeUnknown}, other.resyncs()); diff != "" {
		t.Errorf("after a kill and a stop (-want +got):\n%s", diff)
	}
}
