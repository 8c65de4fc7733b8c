package channels

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"walcast/protocol"
)

// tracksSo joins a topic, tracks so many bytes there, and returns why that was refused.
func (c *client) tracksSo(topic string, size int) string {
	c.f.Helper()
	if c.session.joined(topic) == nil {
		c.join(topic, `{"presence":{"enabled":false}}`)
	}
	ref := c.send(topic, protocol.EventPresence, `{"event":"track","payload":{"a":"`+strings.Repeat("x", size)+`"}}`)
	return c.reasonOf(ref)
}

// reasonOf is why what was sent with a ref was refused, "" if it was not.
func (c *client) reasonOf(ref string) string {
	c.f.Helper()
	for n := 1; ; n++ {
		m := c.waitFor(protocol.EventReply, n)[n-1]
		if m.ref == ref {
			reason, _ := m.payload["response"].(map[string]any)["reason"].(string)
			return reason
		}
	}
}

// TestWhatIsTrackedIsBounded has sessions track much on many topics, until there is no room for
// that. Whoever tracks little may always, an update takes the place of what was tracked before,
// and there is room once somebody untracks, leaves or is gone.
func TestWhatIsTrackedIsBounded(t *testing.T) {
	config := DefaultConfig()
	config.PresenceRate.Events = 0
	config.MaxHeldTotal, config.MaxHeldBytes = 1200<<10, 700<<10
	f := newFixture(t, config)
	const (
		much = 60 << 10
		all  = "PresenceFull: The joins of all sessions and what they track take 1228800 bytes already: try again later, or track less"
		own  = "PresenceFull: The joins of a session's channels and what they track can have at most 716800 bytes"
	)
	first, second := f.connect("anon", ""), f.connect("anon", "")
	tracks := func(who *client, topic string, size int, want string) {
		t.Helper()
		if got := who.tracksSo("realtime:"+topic, size); got != want {
			t.Errorf("track of %d bytes on %s: %q; want %q", size, topic, got, want)
		}
	}
	for i := range 10 { // 124 kB each as it is kept and sent, of which the first 256 KiB do not count
		tracks(first, fmt.Sprint("a", i), much, "")
	}
	tracks(first, "a10", much, "")
	tracks(first, "a11", much, own)
	tracks(first, "a0", much-1, "")
	for i := range 2 { // not counted
		tracks(second, fmt.Sprint("b", i), much, "")
	}
	tracks(second, "b2", much, "")
	tracks(second, "b3", much, all)
	tracks(second, "b0", much, "") // instead of as much
	third := f.connect("anon", "")
	tracks(third, "c", 1000, "")
	first.send("realtime:a1", protocol.EventPresence, `{"event":"untrack"}`)
	tracks(second, "b3", much, "")
	first.session.Handle(t.Context(), protocol.Message{Topic: "realtime:a2", Event: protocol.EventLeave, Payload: []byte("{}")})
	tracks(second, "b4", much, "")
	tracks(second, "b5", much, all)
	if got := f.limited(limitHeldTotal); got != 2 {
		t.Errorf("counted %v times that there was no room; want 2", got)
	}
	first.session.Close()
	tracks(second, "b5", much, "")
	second.session.Close()
	third.session.Close()
	if n := f.hub.holdings.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are held when all have left; want none", n)
	}
}

// TestNewTokensAreHeldLikeThoseOfJoins: each channel has its own, and one that is longer than the
// one before may be more than there is room for.
func TestNewTokensAreHeldLikeThoseOfJoins(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"of a session":    {func(c *Config) { c.MaxHeldBytes = 200 << 10 }, "The joins of a session's channels can have at most 204800 bytes"},
		"of all sessions": {func(c *Config) { c.MaxHeldTotal = 1 }, "The joins of all sessions take 1 bytes already: try again later, or with fewer bindings"},
	} {
		t.Run(name, func(t *testing.T) {
			config := DefaultConfig()
			c.change(&config)
			f := newFixture(t, config)
			who, tokens := f.connect("anon", ""), 0
			refresh := func(topic string, size int) {
				tokens++
				sub := fmt.Sprint(tokens, strings.Repeat("x", size))
				who.send(topic, protocol.EventAccessToken, `{"access_token":"`+token(t, "anon", sub, time.Hour)+`"}`)
			}
			ends := 0
			for ; ends < 10 && who.count(protocol.EventError) == 0; ends++ {
				topic := fmt.Sprint("realtime:", ends)
				who.join(topic, `{"presence":{"enabled":false}}`)
				for range 3 { // each instead of the one before
					refresh(topic, 40_000)
				}
			}
			fits := config.MaxHeldBytes / 53_500
			if config.MaxHeldTotal == 1 {
				fits = ordinaryBytes / 53_500
			}
			if ends != fits+1 {
				t.Errorf("channel %d is the first that ends for its token; want %d", ends, fits+1)
			}
			if got := who.waitFor(protocol.EventSystem, 1)[0].payload["message"]; got != c.want {
				t.Errorf("its client is told %q; want %q", got, c.want)
			}
			refresh("realtime:0", 10)
			topic := "realtime:next"
			who.join(topic, `{"presence":{"enabled":false}}`)
			refresh(topic, 40_000)
			if who.session.joined(topic) == nil {
				t.Error("when a channel has a short token again another one may have no long one; want it to")
			}
			who.session.Close()
			if n := f.hub.holdings.bytes.Load(); n != 0 {
				t.Errorf("%d bytes are held when all have left; want none", n)
			}
		})
	}
}
