package channels

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/presence"
	"walcast/protocol"
)

const annTracks = `{"type":"presence","event":"track","payload":{"name":"Ann"}}`

func (c *client) tracks(topic, key string) {
	c.f.Helper()
	c.join(topic, `{"presence":{"key":"`+key+`"}}`)
	c.send(topic, protocol.EventPresence, annTracks)
	c.waitFor(protocol.EventReply, 2)
}

// waitForKeys waits until the diffs have had n joins or leaves.
func (c *client) waitForKeys(kind string, n int) {
	c.f.Helper()
	for diffs := 1; ; diffs++ {
		keys := 0
		for _, m := range c.waitFor(protocol.EventPresenceDiff, diffs) {
			keys += len(m.payload[kind].(map[string]any))
		}
		if keys >= n {
			return
		}
	}
}

func TestWhoIsBackWithinTheGraceTimeWasNeverAway(t *testing.T) {
	config := DefaultConfig()
	config.PresenceGrace = time.Minute
	f := newFixture(t, config)
	watcher, ann := f.connect("anon", ""), f.connect("anon", "")
	watcher.join("realtime:room", `{}`)
	ann.tracks("realtime:room", "ann")
	watcher.waitFor(protocol.EventPresenceDiff, 1)
	ann.session.Close()
	again := f.connect("anon", "")
	again.tracks("realtime:room", "ann")
	f.connect("anon", "").tracks("realtime:room", "bob")
	second := watcher.waitFor(protocol.EventPresenceDiff, 2)[1].payload
	if joins := second["joins"].(map[string]any); joins["ann"] != nil || joins["bob"] == nil || len(second["leaves"].(map[string]any)) > 0 {
		t.Errorf("diff after the reconnect = %v; want bob only", second)
	}
	again.session.Handle(t.Context(), protocol.Message{JoinRef: `"1"`, Ref: `"9"`, Topic: "realtime:room", Event: protocol.EventLeave, Payload: []byte("{}")})
	third := watcher.waitFor(protocol.EventPresenceDiff, 3)[2].payload
	if leaves := third["leaves"].(map[string]any); leaves["ann"] == nil {
		t.Errorf("diff after the leave = %v; want that ann left, who does so on purpose", third)
	}
}

// graceful is a fixture with a long grace time, and a client that gets the
// presence of the topic.
func graceful(t *testing.T) (*fixture, *client) {
	config := DefaultConfig()
	config.PresenceGrace = time.Minute
	f := newFixture(t, config)
	watcher := f.connect("anon", "")
	watcher.join("realtime:room", `{}`)
	return f, watcher
}

// appears joins the room with a key and tracks a payload.
func (c *client) appears(key, payload string) {
	c.f.Helper()
	c.join("realtime:room", `{"presence":{"key":"`+key+`"}}`)
	c.tracksPayload(payload)
}

func (c *client) tracksPayload(payload string) {
	c.f.Helper()
	before := len(c.waitFor(protocol.EventReply, 1))
	c.send("realtime:room", protocol.EventPresence, `{"type":"presence","event":"track","payload":`+payload+`}`)
	c.waitFor(protocol.EventReply, before+1)
}

// diffs are what presence diffs after the first n have said: "+key:n" for a meta
// that joined, "-key:n" for a meta that left. To mark their end it has another
// client join.
func (c *client) diffs(n int, end string) (said []string) {
	c.f.Helper()
	c.f.connect("anon", "").appears(end, `{"n":"end"}`)
	for ; ; n++ {
		diff := c.waitFor(protocol.EventPresenceDiff, n+1)[n].payload
		for sign, part := range map[string]any{"+": diff["joins"], "-": diff["leaves"]} {
			for key, one := range part.(map[string]any) {
				for _, meta := range one.(map[string]any)["metas"].([]any) {
					said = append(said, fmt.Sprint(sign, key, ":", meta.(map[string]any)["n"]))
				}
			}
		}
		if slices.Contains(said, "+"+end+":end") {
			slices.Sort(said)
			return slices.DeleteFunc(said, func(s string) bool { return s == "+"+end+":end" })
		}
	}
}

func TestTabsOfOneKeyComeBackEachAsItself(t *testing.T) {
	for _, known := range []bool{true, false} { // by a client_id
		f, watcher := graceful(t)
		visit := func(id string) *client {
			if known {
				return f.visit(id, "anon", "")
			}
			return f.connect("anon", "")
		}
		tabs := []*client{visit("a"), visit("b"), visit("c")}
		for i, tab := range tabs {
			tab.appears("ann", fmt.Sprintf(`{"n":%d}`, i))
			watcher.waitForKeys("joins", i+1)
		}
		n := len(watcher.waitFor(protocol.EventPresenceDiff, 1))
		for _, tab := range tabs {
			tab.session.Close()
		}
		for i, id := range []string{"c", "a", "b"} { // in another order
			visit(id).appears("ann", fmt.Sprintf(`{"n":%d}`, []int{2, 0, 1}[i]))
		}
		if got := watcher.diffs(n, "end"); len(got) > 0 {
			t.Errorf("known %t: others saw %q; want nothing", known, got)
		}
	}
}

func TestAnotherDeviceIsNotTakenForTheOneThatIsAway(t *testing.T) {
	f, watcher := graceful(t)
	phone := f.visit("phone", "anon", "")
	phone.appears("ann", `{"n":"phone"}`)
	n := len(watcher.waitFor(protocol.EventPresenceDiff, 1))
	phone.session.Close()
	f.visit("laptop", "anon", "").appears("ann", `{"n":"laptop"}`)
	f.visit("phone", "anon", "").appears("ann", `{"n":"phone"}`)
	if diff := cmp.Diff([]string{"+ann:laptop"}, watcher.diffs(n, "end")); diff != "" {
		t.Errorf("others saw (-want +got):\n%s", diff)
	}
}

func TestTheGraceTimeKeepsWhatWasTrackedLast(t *testing.T) {
	config := DefaultConfig()
	config.PresenceGrace = time.Minute
	config.PresenceRate = presence.Rate{Events: 1, Window: time.Hour}
	f := newFixture(t, config)
	watcher, ann := f.connect("anon", ""), f.connect("anon", "")
	watcher.join("realtime:room", `{}`)
	ann.appears("ann", `{"n":1}`)
	watcher.waitForKeys("joins", 1)
	ann.tracksPayload(`{"n":2}`) // above the rate
	n := len(watcher.waitFor(protocol.EventPresenceDiff, 1))
	ann.session.Close()
	f.connect("anon", "").appears("ann", `{"n":2}`)
	if diff := cmp.Diff([]string{"+ann:2", "-ann:1"}, watcher.diffs(n, "end")); diff != "" {
		t.Errorf("others saw (-want +got):\n%s", diff)
	}
}

func TestWhoJoinsAgainWithoutALeaveWasNeverAway(t *testing.T) {
	f, watcher := graceful(t)
	ann := f.connect("anon", "")
	ann.appears("ann", `{"n":1}`)
	n := len(watcher.waitFor(protocol.EventPresenceDiff, 1))
	ann.send("realtime:room", protocol.EventJoin, `{"config":{"presence":{"key":"ann"}}}`)
	ann.tracksPayload(`{"n":1}`)
	ann.session.channels["realtime:room"].fail("its token has expired", false)
	ann.send("realtime:room", protocol.EventJoin, `{"config":{"presence":{"key":"ann"}}}`)
	ann.tracksPayload(`{"n":1}`)
	if got := watcher.diffs(n, "end"); len(got) > 0 {
		t.Errorf("others saw %q; want nothing", got)
	}
}

// A client that comes back only to leave has left, though it has not tracked
// again.
func TestWhoComesBackAndLeavesIsGone(t *testing.T) {
	for _, way := range []struct{ event, payload string }{
		{protocol.EventLeave, `{}`}, {protocol.EventPresence, `{"type":"presence","event":"untrack"}`},
	} {
		f, watcher := graceful(t)
		ann := f.visit("tab", "anon", "")
		ann.appears("ann", `{"n":1}`)
		n := len(watcher.waitFor(protocol.EventPresenceDiff, 1))
		ann.session.Close()
		back := f.visit("tab", "anon", "")
		ref := back.join("realtime:room", `{"presence":{"key":"ann"}}`).ref
		back.session.Handle(t.Context(), protocol.Message{
			JoinRef: protocol.Ref(`"` + ref + `"`), Ref: `"9"`, Topic: "realtime:room", Event: way.event, Payload: []byte(way.payload),
		})
		if diff := cmp.Diff([]string{"-ann:1"}, watcher.diffs(n, "end")); diff != "" {
			t.Errorf("%s: others saw (-want +got):\n%s", way.event, diff)
		}
	}
}
