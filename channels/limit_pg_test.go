package channels

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"walcast/presence"
	"walcast/protocol"
)

// limited is how often clients have run into a limit.
func (f *fixture) limited(limit string) float64 {
	return f.sample("walcast_channels_limited_total", limit)
}

func TestMaxChannels(t *testing.T) {
	config := DefaultConfig()
	config.MaxChannels = 2
	f := newFixture(t, config)
	c, other := f.connect("anon", ""), f.connect("anon", "")
	for _, step := range []struct{ event, topic, status, reason string }{
		{protocol.EventJoin, "a", protocol.StatusOK, ""},
		{protocol.EventJoin, "b", protocol.StatusOK, ""},
		{protocol.EventJoin, "c", protocol.StatusError, "ChannelRateLimitReached: Too many channels"},
		{protocol.EventJoin, "b", protocol.StatusOK, ""}, // takes the place of its older join
		{protocol.EventLeave, "a", protocol.StatusOK, ""},
		{protocol.EventJoin, "c", protocol.StatusOK, ""},
	} {
		if step.event == protocol.EventLeave { // join_ref of the join
			c.refs = 0
		}
		ref := c.send("realtime:"+step.topic, step.event, `{"config":{"presence":{"enabled":false}}}`)
		replies := c.waitFor(protocol.EventReply, 1)
		reply := replies[len(replies)-1].payload
		reason, _ := reply["response"].(map[string]any)["reason"].(string)
		if reply["status"] != step.status || reason != step.reason {
			t.Errorf("%s of %s, ref %s: %v; want %s %q", step.event, step.topic, ref, reply, step.status, step.reason)
		}
		if step.event == protocol.EventLeave {
			c.refs = 10
		}
	}
	if got := f.limited("channels"); got != 1 {
		t.Errorf("counted %v joins above the limit; want 1", got)
	}
	if reply := other.join("realtime:a", `{}`); reply.payload["status"] != protocol.StatusOK {
		t.Errorf("join of another session = %v; want it to have a limit of its own", reply.payload)
	}
}

// TestPresenceAboveTheRateIsMerged tracks faster than is allowed: every push is
// answered with ok, the channel stays, and the others see the first payload and
// the last.
func TestPresenceAboveTheRateIsMerged(t *testing.T) {
	config := DefaultConfig()
	config.PresenceRate = presence.Rate{Events: 1, Window: 2 * time.Second}
	f := newFixture(t, config)
	quick, other := f.connect("anon", ""), f.connect("anon", "")
	other.join("realtime:room", `{}`)
	quick.join("realtime:room", `{"presence":{"key":"quick"}}`)
	const updates = 50
	for n := range updates {
		quick.send("realtime:room", protocol.EventPresence, fmt.Sprintf(`{"type":"presence","event":"track","payload":{"n":%d}}`, n))
	}
	for _, reply := range quick.waitFor(protocol.EventReply, 1+updates) {
		if reply.payload["status"] != protocol.StatusOK {
			t.Errorf("reply = %v; want ok", reply.payload)
		}
	}
	if got := f.limited("presence"); got < 1 || got > updates-1 {
		t.Errorf("counted %v updates above the rate; want some of %d", got, updates)
	}
	seen := ""
	for n := 1; !strings.Contains(seen, fmt.Sprintf(`"n":%d}`, updates-1)); n++ {
		diff := other.waitFor(protocol.EventPresenceDiff, n)[n-1]
		if seen = string(diff.frame.Payload()); n == 1 && !strings.Contains(seen, `"n":0}`) {
			t.Errorf("first diff %s; want the first payload at once", seen)
		}
		if n > updates/2 {
			t.Fatalf("%d diffs for %d updates; want them merged", n, updates)
		}
	}
	if quick.session.joined("realtime:room") == nil {
		t.Error("the channel of who tracks too often has ended; want it to stay")
	}
}

// A client in Swift closes its socket at a frame with such a number.
func TestNumbersThatADoubleCannotHoldAreRefusedToTheirSender(t *testing.T) {
	f := newFixture(t, DefaultConfig())
	c, witness := f.connect("anon", ""), f.connect("anon", "")
	c.join("realtime:room", `{"broadcast":{"ack":true},"presence":{"enabled":false}}`)
	witness.join("realtime:room", `{"presence":{"enabled":false}}`)
	c.send("realtime:room", protocol.EventBroadcast, `{"event":"e","payload":{"x":1e999}}`)
	c.session.Handle(t.Context(), protocol.Message{
		JoinRef: `"1"`, Ref: `"9"`, Topic: "realtime:room", Event: protocol.EventBroadcast,
		Kind: protocol.UserBroadcast, UserEvent: "e", Encoding: protocol.EncodingJSON, Payload: []byte(`[-1e999]`),
	})
	c.send("realtime:room", protocol.EventPresence, `{"event":"track","payload":{"x":1e999}}`)
	for _, reply := range c.waitFor(protocol.EventReply, 4)[1:] {
		response := reply.payload["response"].(map[string]any)
		if reply.payload["status"] != protocol.StatusError || response["reason"] != protocol.RefuseHugeNumber.Text {
			t.Errorf("reply = %v; want the number refused", reply.payload)
		}
	}
	c.send("realtime:room", protocol.EventBroadcast, `{"event":"fine","payload":{"x":1e300,"y":"1e999"}}`)
	if got := witness.waitFor(protocol.EventBroadcast, 1)[0].payload["event"]; got != "fine" {
		t.Errorf("the other channel heard %v; want only what every client can read", got)
	}
}

func TestOversizeBroadcastsAreCounted(t *testing.T) {
	config := DefaultConfig()
	config.MaxBroadcastBytes = 2000
	f := newFixture(t, config)
	c := f.connect("anon", "")
	c.join("realtime:room", `{"presence":{"enabled":true}}`)
	large := strings.Repeat("x", 2000)
	c.send("realtime:room", protocol.EventBroadcast, `{"event":"e","payload":"`+large+`"}`)
	c.send("realtime:room", protocol.EventPresence, `{"event":"track","payload":{"pad":"`+large+`"}}`)
	c.waitFor(protocol.EventReply, 2)
	if got := f.limited("broadcast_size"); got != 2 {
		t.Errorf("counted %v payloads above the limit; want 2", got)
	}
}

// TestOneSessionHoldsNoMoreThanItsShare joins until there is no room, and has it
// back after leaving.
func TestOneSessionHoldsNoMoreThanItsShare(t *testing.T) {
	some := func(n int, filter string) string {
		one := fmt.Sprintf(`{"event":"*","schema":"public","table":"t","filter":"id=eq.%s"}`, filter)
		return `{"postgres_changes":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	for name, c := range map[string]struct {
		change func(*Config)
		config string
		reason string
	}{
		limitBindings: {
			func(c *Config) { c.MaxBindings = 25 }, some(10, "1"),
			"TooManyBindings: The channels of a session can have at most 25 postgres_changes bindings",
		},
		limitHeld: {
			func(c *Config) { c.MaxHeldBytes = 25_000 }, some(1, strings.Repeat("1", 10_000)),
			"TooManyBindings: The joins of a session's channels can have at most 25000 bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			c.change(&config)
			f := newFixture(t, config)
			one, other := f.connect("anon", ""), f.connect("anon", "")
			join := func(who *client, topic, want string) {
				t.Helper()
				reply := who.join("realtime:"+topic, c.config)
				if got, _ := reply.payload["response"].(map[string]any)["reason"].(string); got != want {
					t.Errorf("join of %s: %v; want the reason %q", topic, reply.payload, want)
				}
			}
			join(one, "a", "")
			join(one, "b", "")
			join(one, "c", c.reason)
			join(one, "b", "") // takes the place of its older join
			join(other, "c", "")
			one.session.joined("realtime:a").end(false)
			join(one, "c", "")
			if got := f.limited(name); got != 1 {
				t.Errorf("counted %v joins above the limit; want 1", got)
			}
		})
	}
}

// TestAllSessionsHoldNoMoreThanTheirShare has sessions join for much until there is no room for
// that. Whoever joins for little is let in all the same, and there is room once one has left.
func TestAllSessionsHoldNoMoreThanTheirShare(t *testing.T) {
	some := func(n int) string {
		one := `{"event":"*","schema":"public","table":"t","filter":"id=eq.1"}`
		return `{"postgres_changes":[` + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + `]}`
	}
	config := DefaultConfig()
	config.MaxHeldTotal = 2 << 20
	f := newFixture(t, config)
	reason := func(who *client, topic string, bindings int) string {
		got, _ := who.join("realtime:"+topic, some(bindings)).payload["response"].(map[string]any)["reason"].(string)
		return got
	}
	const much, full = 1000, "TooManyBindings: The joins of all sessions take 2097152 bytes already: try again later, or with fewer bindings"
	first, second, third := f.connect("anon", ""), f.connect("anon", ""), f.connect("anon", "")
	for i, step := range []struct {
		who      *client
		topic    string
		bindings int
		want     string
	}{
		{first, "a", much, ""}, // 0.8 MiB beyond what does not count
		{second, "a", much, ""},
		{third, "a", much, full},
		{third, "a", 100, ""},
		{third, "b", 100, ""},
		{third, "c", much, full},
		{first, "a", much, ""}, // takes the place of its older join
	} {
		if got := reason(step.who, step.topic, step.bindings); got != step.want {
			t.Errorf("step %d: join with %d bindings: %q; want %q", i, step.bindings, got, step.want)
		}
	}
	if got := reason(second, "", 1); got == "" {
		t.Error("a join without a topic is let in") // and what it would hold is given back
	}
	if got := f.limited(limitHeldTotal); got != 2 {
		t.Errorf("counted %v joins above the limit; want 2", got)
	}
	second.session.Close()
	if got := reason(third, "c", much); got != "" {
		t.Errorf("when another has left: %q; want room", got)
	}
	first.session.Close()
	third.session.Close()
	if n := f.hub.holdings.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are held when all have left; want none", n)
	}
}

// TestTheBindingsOfOneSessionTakeLittleMemory has a client ask for many.
func TestTheBindingsOfOneSessionTakeLittleMemory(t *testing.T) {
	f := newFixture(t, DefaultConfig())
	c := f.connect("anon", "")
	var bindings []string
	for i := range 10_000 {
		bindings = append(bindings, fmt.Sprintf(`{"event":"*","schema":"public","table":"table%d","filter":"id=eq.%[1]d"}`, i))
	}
	config := `{"postgres_changes":[` + strings.Join(bindings, ",") + `]}`
	accepted := 0
	for i := range 6 {
		if c.join(fmt.Sprintf("realtime:%d", i), config).payload["status"] == protocol.StatusOK {
			accepted++
		}
	}
	if accepted != 2 {
		t.Errorf("%d of 6 joins with 10,000 bindings are accepted; want 2", accepted)
	}
}
