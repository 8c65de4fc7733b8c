package gateway

import (
	"net/netip"
	"strings"
	"testing"

	"walcast/channels"
)

func TestMaxSessions(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxSessions = 2 })
	first, second := r.dial(t), r.dial(t)
	wantRefused := answer{429, "application/json; charset=utf-8", `{"error":"Too many connected users"}`}
	if got := r.ask(t, upgradeFrom(t, r, ""), "192.0.2.1"); got != wantRefused {
		t.Errorf("third handshake = %+v, want %+v", got, wantRefused)
	}
	first.Close()
	eventually(t, "room for one", func() bool { return r.hub.size() == 1 })
	eventually(t, "another is let in", func() bool {
		return r.ask(t, upgradeFrom(t, r, ""), "192.0.2.1").Status == 101
	})
	sendText(t, second, heartbeat)
	wantText(t, second, answered)
	if got := r.sample(t, `walcast_gateway_refused_total{reason="sessions"}`); got < 1 {
		t.Errorf("refused = %v, want at least 1", got)
	}
	wantLimited(t, r, "sessions")
}

func TestMaxSessionsPerAddress(t *testing.T) {
	r := start(t, func(c *Config) {
		c.MaxSessionsPerAddress = 1
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	e := upgradeFrom(t, r, "")
	open := r.dial(t) // from 127.0.0.1
	refused := answer{429, "application/json; charset=utf-8", `{"error":"Too many connected users from this address"}`}
	if got := r.ask(t, e, "127.0.0.1"); got != refused {
		t.Errorf("second handshake of an address = %+v, want %+v", got, refused)
	}
	wantLimited(t, r, "address")
	for _, step := range []struct {
		address string
		status  int
	}{
		{"192.0.2.1", 101}, {"192.0.2.2", 101}, {"2001:db8::1", 101},
	} {
		if got := r.ask(t, e, step.address); got.Status != step.status {
			t.Errorf("handshake of %s = %+v, want %d", step.address, got, step.status)
		}
	}
	sendText(t, open, heartbeat)
	wantText(t, open, answered)
	eventually(t, "the others gone", func() bool { return r.hub.size() == 1 }) // ask hangs up
	eventually(t, "the address is free again", func() bool { return r.ask(t, e, "192.0.2.1").Status == 101 })
}

func TestSessionLimitsCountByAddress(t *testing.T) {
	c := newSessionLimits(Limits{MaxSessions: 3, MaxSessionsPerAddress: 2})
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	steps := []struct {
		address netip.Addr
		want    *rejection
	}{{one, nil}, {one, nil}, {one, rejectAddress}, {two, nil}, {two, rejectSessions}}
	for i, step := range steps {
		if got := c.admit(step.address, 0); got != step.want {
			t.Errorf("step %d: admit(%s) = %+v, want %+v", i, step.address, got, step.want)
		}
	}
	c.release(one, 0)
	c.release(one, 0)
	c.release(two, 0)
	if c.count != 0 || len(c.byNetwork) != 0 {
		t.Errorf("after all have left: %d sessions, %v; want none", c.count, c.byNetwork)
	}
}

// Ordinary handshakes are let in however many large ones there are.
func TestLargeHandshakesAreBoundedTogether(t *testing.T) {
	c, address := newSessionLimits(Limits{}), netip.MustParseAddr("192.0.2.1")
	large := largeOf(&channels.Identity{Token: strings.Repeat("t", 10_000), Headers: strings.Repeat("h", 10_000)})
	n := 0
	for c.admit(address, large) == nil {
		n++
	}
	if want := largeHandshakes / 25_000; n < want/2 || n > want {
		t.Errorf("%d handshakes of 20,000 bytes are let in; want about %d", n, want)
	}
	if got := c.admit(address, large); got != rejectLarge {
		t.Errorf("one more gets %+v; want %+v", got, rejectLarge)
	}
	if got := c.admit(address, largeOf(&channels.Identity{Token: strings.Repeat("t", 3000), Headers: "{}"})); got != nil {
		t.Errorf("an ordinary one gets %+v; want it let in", got)
	}
	c.release(address, large)
	if got := c.admit(address, large); got != nil {
		t.Errorf("when one has left, another gets %+v; want it let in", got)
	}
}

// What waits in line is in memory like what was let in: thousands who come at once are
// turned away instead of waiting.
func TestLargeHandshakesThatWaitAreBoundedWithThoseThatWereLetIn(t *testing.T) {
	c, address := newSessionLimits(Limits{}), netip.MustParseAddr("192.0.2.1")
	if got := c.admit(address, largeHandshakes/2); got != nil {
		t.Fatalf("one is refused: %+v", got)
	}
	const size = 30_000
	n := 0
	for c.line(size) {
		n++
	}
	if want := largeHandshakes / 2 / size; n != want {
		t.Errorf("%d wait, of %d bytes each; want %d", n, size, want)
	}
	c.leaveLine(size)
	if !c.line(size) || c.line(size) {
		t.Error("when one has had its turn, want room for one more")
	}
	c.release(address, largeHandshakes/2)
	if !c.line(size) {
		t.Error("when a session has left, want room for those that come")
	}
}
