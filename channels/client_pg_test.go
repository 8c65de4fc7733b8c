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

const everyRow = `{"event":"*","schema":"public","table":"messages"}`

// visit opens a session of a client that can be recognised.
func (f *fixture) visit(clientID, role, sub string) *client {
	f.Helper()
	c := f.connect(role, sub)
	c.session.Close()
	c.session = f.hub.Open(c.box, Identity{Version: protocol.V2, Token: token(f.T, role, sub, time.Hour), ClientID: clientID})
	f.Cleanup(c.session.Close)
	return c
}

// answer is a ping and its pong, for all that has been pushed.
func (c *client) answer() { c.session.Proven(c.session.Mark()) }

// ids are the id columns of what was delivered.
func (c *client) ids(n int) []any { return records(c.waitFor(protocol.EventPostgresChanges, n), "id") }

// resyncs are the codes of the resyncs that were told.
func (c *client) resyncs() (codes []any) {
	for _, m := range c.wait(1) {
		if code, ok := m.payload["code"]; ok {
			codes = append(codes, code)
		}
	}
	return codes
}

func TestAClientThatReturnsGoesOnAfterWhatItHasAnswered(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	a := f.visit("tab", "anon", "")
	a.join("realtime:room", bindings(everyRow))
	f.Commit(logtest.Insert(rel, "1", "1", "proven"))
	a.ids(1)
	f.waitSent(a)
	a.answer()
	f.Commit(logtest.Insert(rel, "2", "1", "sent, not proven"))
	a.ids(2)
	a.session.Close()
	f.Commit(logtest.Insert(rel, "3", "1", "missed"))
	b := f.visit("tab", "anon", "")
	b.join("realtime:room", bindings(everyRow))
	f.Commit(logtest.Insert(rel, "4", "1", "live"))
	if diff := cmp.Diff([]any{2.0, 3.0, 4.0}, b.ids(3)); diff != "" {
		t.Errorf("delivered after the return (-want +got):\n%s", diff)
	}
}

// waitSent waits until everything in the log was pushed for the client's channels.
func (f *fixture) waitSent(c *client) {
	f.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patient); ; <-ticker.C {
		done := true
		for _, ch := range c.session.channels {
			done = done && ch.Standing().Position.Compare(f.Changes.Head()) >= 0
		}
		if done {
			return
		}
		if time.Now().After(deadline) {
			f.Fatalf("channels have not come to %s", f.Changes.Head())
		}
	}
}

// releaseAll empties the log once every lane has read it: a lane that has not
// would miss it too.
func (f *fixture) releaseAll() {
	f.Helper()
	f.waitDelivered()
	f.Changes.Release(time.Now().Add(2 * time.Hour))
}

// waitDelivered waits until every lane has come to the end of the log.
func (f *fixture) waitDelivered() {
	f.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patient); f.hub.fanout.Reached().Compare(f.Changes.Head()) < 0; <-ticker.C {
		if time.Now().After(deadline) {
			f.Fatalf("the lanes have not come to %s", f.Changes.Head())
		}
	}
}

func TestOnlyTheSameClientWithTheSameBindingsGoesOn(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	for i, test := range []struct {
		name, client, role, sub, bindings string
		missed                            bool
	}{
		{"same", "tab", "authenticated", "u1", everyRow, true},
		{"other client", "other", "authenticated", "u1", everyRow, false},
		{"other user", "tab", "authenticated", "u2", everyRow, false},
		{"other role", "tab", "service_role", "u1", everyRow, false},
		{"other bindings", "tab", "authenticated", "u1", `{"event":"INSERT","schema":"public","table":"messages"}`, false},
	} {
		topic := fmt.Sprintf("realtime:room-%d", i)
		a := f.visit("tab", "authenticated", "u1")
		a.join(topic, bindings(everyRow))
		a.answer()
		a.session.Close()
		f.Commit(logtest.Insert(rel, "1", "1", "missed"))
		b := f.visit(test.client, test.role, test.sub)
		b.join(topic, bindings(test.bindings))
		f.Commit(logtest.Insert(rel, "2", "1", "live"))
		want := []any{2.0}
		if test.missed {
			want = []any{1.0, 2.0}
		}
		if diff := cmp.Diff(want, b.ids(len(want))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if got := b.resyncs(); got != nil {
			t.Errorf("%s was told %v; want nothing", test.name, got)
		}
	}
}

func TestTheNewestSessionOfAClientHasItsState(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	dead := f.visit("tab", "anon", "")
	dead.join("realtime:room", bindings(everyRow))
	dead.answer()
	f.Commit(logtest.Insert(rel, "1", "1", "into the void"))
	dead.ids(1)
	next := f.visit("tab", "anon", "") // before the server has noticed that the other is gone
	next.join("realtime:room", bindings(everyRow))
	next.ids(1)
	dead.answer()
	dead.session.Close()
	next.session.Close()
	last := f.visit("tab", "anon", "")
	last.join("realtime:room", bindings(everyRow))
	if diff := cmp.Diff([]any{1.0}, last.ids(1)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestALeaveForgetsAndAnImpatientOneDoesNot(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	for _, test := range []struct {
		confirms bool
		want     []any
	}{{true, []any{2.0}}, {false, []any{1.0, 2.0}}} {
		topic := fmt.Sprintf("realtime:room-%t", test.confirms)
		c := f.visit("tab", "anon", "")
		c.join(topic, bindings(everyRow))
		if test.confirms {
			c.answer()
		}
		c.send(topic, protocol.EventLeave, "{}")
		c.session.Handle(t.Context(), protocol.Message{JoinRef: `"1"`, Ref: `"9"`, Topic: topic, Event: protocol.EventLeave, Payload: []byte("{}")})
		c.waitFor(protocol.EventClose, 1)
		f.Commit(logtest.Insert(rel, "1", "1", "between"))
		again := f.visit("tab", "anon", "")
		again.join(topic, bindings(everyRow))
		f.Commit(logtest.Insert(rel, "2", "1", "after"))
		if diff := cmp.Diff(test.want, again.ids(len(test.want))); diff != "" {
			t.Errorf("confirmed %t (-want +got):\n%s", test.confirms, diff)
		}
	}
}

func TestAResyncIsToldUntilItIsConfirmed(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	f.hub.Restore() // nothing is known of an earlier run
	for i, want := range [][]any{{changelog.CodeUnknown}, {changelog.CodeUnknown}, nil} {
		c := f.visit("tab", "anon", "")
		c.join("realtime:room", bindings(everyRow))
		c.waitFor(protocol.EventSystem, 1)
		if diff := cmp.Diff(want, c.resyncs()); diff != "" {
			t.Errorf("visit %d (-want +got):\n%s", i+1, diff)
		}
		if i > 0 {
			c.answer()
		}
		c.session.Close()
	}
}

func TestWhileTheDatabaseIsAwayAClientWaitsToBeToldWhatItMisses(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	f.Changes = changelog.New(changelog.Config{Window: time.Hour})
	config := DefaultConfig()
	config.ResumeWait = time.Millisecond // passes many times before the log begins
	f.rerun(config, func() {})
	forgotten, named := f.visit("tab", "anon", ""), f.connect("anon", "")
	forgotten.join("realtime:room", bindings(everyRow))
	named.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages","resume":{"from":"0/FFF:0"}}`))
	for name, c := range map[string]*client{"forgotten": forgotten, "naming a position": named} {
		c.waitFor(protocol.EventSystem, 1) // the outcome of the check, which takes longer
		if got := c.resyncs(); got != nil {
			t.Errorf("the client %s is told %v before the log has begun; want nothing", name, got)
		}
	}
	f.Changes.Begin(changelog.History{System: "1"}, f.LSN, "")
	forgotten.waitForResync()
	f.Commit(logtest.Insert(rel, "1", "1", "one"))
	f.Commit(logtest.Insert(rel, "2", "1", "two"))
	for name, c := range map[string]*client{"forgotten": forgotten, "naming a position": named} {
		if diff := cmp.Diff([]any{1.0, 2.0}, c.ids(2)); diff != "" {
			t.Errorf("to the client %s (-want +got):\n%s", name, diff)
		}
	}
	var told []any
	for _, m := range append(forgotten.wait(1), named.wait(1)...) {
		if m.payload["code"] != nil {
			told = append(told, m.payload["code"], m.payload["from"], m.payload["position"])
		}
	}
	if diff := cmp.Diff([]any{changelog.CodeUnknown, nil, "0/FFF:0"}, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestAClientThatWasAwayTooLongIsToldOnceItConfirms(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	a := f.visit("tab", "anon", "")
	a.join("realtime:room", bindings(everyRow))
	a.answer()
	a.session.Close()
	f.Commit(logtest.Insert(rel, "1", "1", "lost"))
	f.releaseAll()
	f.Commit(logtest.Insert(rel, "2", "1", "kept"))
	for i, want := range [][]any{{changelog.CodeTooOld}, {changelog.CodeTooOld}, nil} {
		c := f.visit("tab", "anon", "")
		c.join("realtime:room", bindings(everyRow))
		if want != nil {
			c.waitForResync()
		}
		if diff := cmp.Diff(want, c.resyncs()); diff != "" {
			t.Errorf("visit %d (-want +got):\n%s", i+1, diff)
		}
		if i == 1 {
			c.answer()
		}
		c.session.Close()
	}
}

// waitForResync waits until a resync has been told.
func (c *client) waitForResync() {
	for n := 1; len(c.resyncs()) == 0; n++ {
		c.waitFor(protocol.EventSystem, n)
	}
}

func TestAQuietClientDoesNotFallBehind(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable, `create table other (id int); grant all on other to anon`)
	other := f.Relation("other")
	a := f.visit("tab", "anon", "")
	a.join("realtime:room", bindings(everyRow))
	f.Commit(logtest.Insert(other, "1"))
	f.Changes.Append(time.Now(), nil, f.LSN+0x50) // a keepalive
	f.waitSent(a)
	a.answer()
	a.session.Close()
	f.releaseAll()
	b := f.visit("tab", "anon", "")
	b.join("realtime:room", bindings(everyRow))
	f.Commit(logtest.Insert(f.Relation("messages"), "2", "1", "live"))
	b.ids(1)
	if got := b.resyncs(); got != nil {
		t.Errorf("was told %v; want nothing", got)
	}
}

func TestAClientThatReturnsGetsTheBroadcastsItMissed(t *testing.T) {
	f := newFixture(t, DefaultConfig())
	const topic, config = "realtime:room", `{"presence":{"enabled":false}}`
	other := f.connect("anon", "")
	other.join(topic, config)
	say := func(c *client, n int) {
		c.send(topic, protocol.EventBroadcast, fmt.Sprintf(`{"type":"broadcast","event":"n","payload":{"n":%d}}`, n))
	}
	heard := func(c *client, n int) (numbers []any) {
		for _, m := range c.waitFor(protocol.EventBroadcast, n) {
			numbers = append(numbers, m.payload["payload"].(map[string]any)["n"])
		}
		return numbers
	}
	a := f.visit("tab", "anon", "")
	a.join(topic, config)
	say(other, 1)
	heard(a, 1)
	a.answer()
	say(other, 2) // pushed, not proven
	say(a, 3)     // its own, which it did not ask for
	a.session.Close()
	say(other, 4)
	other.session.Close() // no client is on the topic any more
	f.hub.topics.Publish(protocol.Topic{Name: topic}, protocol.Broadcast{Relay: []byte(`{"type":"broadcast","event":"n","payload":{"n":5}}`)})
	b := f.visit("tab", "anon", "")
	b.join(topic, config)
	f.hub.topics.Publish(protocol.Topic{Name: topic}, protocol.Broadcast{Relay: []byte(`{"type":"broadcast","event":"n","payload":{"n":6}}`)})
	if diff := cmp.Diff([]any{2.0, 4.0, 5.0, 6.0}, heard(b, 4)); diff != "" {
		t.Errorf("broadcasts after the return (-want +got):\n%s", diff)
	}
	if got := b.resyncs(); got != nil {
		t.Errorf("was told %v; want nothing", got)
	}
	stranger := f.visit("tab", "authenticated", "u1")
	stranger.join(topic, config)
	f.hub.topics.Publish(protocol.Topic{Name: topic}, protocol.Broadcast{Relay: []byte(`{"type":"broadcast","event":"n","payload":{"n":7}}`)})
	if diff := cmp.Diff([]any{7.0}, heard(stranger, 1)); diff != "" {
		t.Errorf("broadcasts to another user of the client_id (-want +got):\n%s", diff)
	}
}
