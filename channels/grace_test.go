package channels

import (
	"testing"
	"time"

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

func TestWhoIsNotBackIsGoneAfterTheGraceTime(t *testing.T) {
	config := DefaultConfig()
	config.PresenceGrace = 50 * time.Millisecond
	f := newFixture(t, config)
	watcher, ann, nameless := f.connect("anon", ""), f.connect("anon", ""), f.connect("anon", "")
	watcher.join("realtime:room", `{}`)
	ann.tracks("realtime:room", "ann")
	nameless.tracks("realtime:room", "")
	watcher.waitForKeys("joins", 2)
	ann.session.Close()
	nameless.session.Close()
	watcher.waitForKeys("leaves", 2)
	lonely := f.connect("anon", "")
	lonely.tracks("realtime:lonely", "ann")
	lonely.session.Close()
	watcher.session.Close()
	deadline := time.Now().Add(patient)
	for f.hub.topic(topicKey{name: "realtime:lonely"}) != nil || f.hub.topic(topicKey{name: "realtime:room"}) != nil {
		if time.Now().After(deadline) {
			t.Fatal("a topic without anybody is still there")
		}
		<-time.After(time.Millisecond)
	}
}
