package gateway

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestMaxSessions(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxSessions = 2 })
	first, second := r.dial(t), r.dial(t)
	wantRefused := answer{429, "application/json; charset=utf-8", `{"error":"Too many connected users"}`}
	if got := r.ask(t, upgradeFrom(t, r, ""), "192.0.2.1"); got != wantRefused {
		t.Errorf("third handshake = %+v, want %+v", got, wantRefused)
	}
	first.Close()
	eventually(t, "room for one", func() bool { return r.party.size() == 1 })
	eventually(t, "another is let in", func() bool {
		return r.ask(t, upgradeFrom(t, r, ""), "192.0.2.1").Status == 101
	})
	sendText(t, second, beat)
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
	sendText(t, open, beat)
	wantText(t, open, answered)
	eventually(t, "the others gone", func() bool { return r.party.size() == 1 }) // ask hangs up
	eventually(t, "the address is free again", func() bool { return r.ask(t, e, "192.0.2.1").Status == 101 })
}

func TestCrowdCountsByAddress(t *testing.T) {
	c := newCrowd(Config{MaxSessions: 3, MaxSessionsPerAddress: 2})
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	steps := []struct {
		address netip.Addr
		want    *refusal
	}{{one, nil}, {one, nil}, {one, refuseAddress}, {two, nil}, {two, refuseSessions}}
	for i, step := range steps {
		if got := c.enter(step.address); got != step.want {
			t.Errorf("step %d: enter(%s) = %+v, want %+v", i, step.address, got, step.want)
		}
	}
	c.exit(one)
	c.exit(one)
	c.exit(two)
	if c.all != 0 || len(c.each) != 0 {
		t.Errorf("after all have left: %d sessions, %v; want none", c.all, c.each)
	}
}

func TestMessagesAboveTheRateAreAnsweredWithAnError(t *testing.T) {
	r := start(t, func(c *Config) { c.MessagesPerSecond = 1 })
	conn := r.dial(t)
	for i := range 3 {
		sendText(t, conn, fmt.Sprintf(`["1","%d","realtime:x","broadcast",{}]`, i))
	}
	sendText(t, conn, beat)
	wantText(t, conn, `[null,null,"realtime:x","broadcast",{}]`)
	wantText(t, conn, `["1","1","realtime:x","phx_reply",{"status":"error","response":{"reason":"Too many messages per second"}}]`)
	wantText(t, conn, `["1","2","realtime:x","phx_reply",{"status":"error","response":{"reason":"Too many messages per second"}}]`)
	wantText(t, conn, answered) // heartbeats are never refused
	wantLimited(t, r, "messages")
}

// wantLimited wants the limit to have been counted.
func wantLimited(t *testing.T, r *running, limit string) {
	t.Helper()
	eventually(t, "limit "+limit+" counted", func() bool {
		return r.sample(t, `walcast_gateway_limited_total{limit="`+limit+`"}`) > 0
	})
}

func TestJoinsAboveTheRateAreRefused(t *testing.T) {
	r := start(t, func(c *Config) { c.JoinsPerSecond = 1 })
	conn, other := r.dial(t), r.dial(t)
	for _, each := range []*websocket.Conn{conn, other} { // both are there before anything is relayed
		sendText(t, each, beat)
		wantText(t, each, answered)
	}
	joins := func(conn *websocket.Conn, ref int) {
		sendText(t, conn, fmt.Sprintf(`["%d","%[1]d","realtime:x","phx_join",{}]`, ref))
	}
	joins(conn, 1)
	joins(conn, 2)
	sendText(t, conn, `["1","3","realtime:x","broadcast",{}]`) // no join
	wantText(t, conn, `[null,null,"realtime:x","phx_join",{}]`)
	wantText(t, conn, `["2","2","realtime:x","phx_reply",{"status":"error","response":{"reason":"ClientJoinRateLimitReached: Too many joins per second"}}]`)
	wantText(t, conn, `[null,null,"realtime:x","broadcast",{}]`)
	wantLimited(t, r, "joins")
	joins(other, 1) // has a rate of its own
	wantText(t, other, `[null,null,"realtime:x","phx_join",{}]`)
	wantText(t, other, `[null,null,"realtime:x","broadcast",{}]`)
	wantText(t, other, `[null,null,"realtime:x","phx_join",{}]`)
}

func TestSessionThatFloodsWithJoinsIsClosed(t *testing.T) {
	r := start(t, func(c *Config) { c.JoinsPerSecond = 1 })
	conn := r.dial(t)
	for range 20*refusalsBurst + 100 {
		if conn.WriteMessage(websocket.TextMessage, []byte(`["1",null,"realtime:x","phx_join",{}]`)) != nil {
			break // closed
		}
	}
	wantClose(t, conn, 1008, "Too many joins per second")
}

func TestBytesAboveTheRateAreAnsweredWithAnError(t *testing.T) {
	r := start(t, func(c *Config) { c.BytesPerSecond, c.MaxFrame = 1000, 2000 })
	conn := r.dial(t)
	large := `["1","1","realtime:x","broadcast",{"pad":"` + strings.Repeat("x", 1900) + `"}]`
	sendText(t, conn, large) // the largest message is never too large for the rate
	sendText(t, conn, large)
	wantText(t, conn, `[null,null,"realtime:x","broadcast",{"pad":"`+strings.Repeat("x", 1900)+`"}]`)
	wantText(t, conn, `["1","1","realtime:x","phx_reply",{"status":"error","response":{"reason":"Too many bytes per second"}}]`)
	if got := r.sample(t, `walcast_gateway_limited_total{limit="bytes"}`); got != 1 {
		t.Errorf("limited = %v, want 1", got)
	}
}

func TestFloodingSessionIsClosedAndNobodyElse(t *testing.T) {
	r := start(t, func(c *Config) { c.MessagesPerSecond = 10 })
	flooding, other := r.dial(t), r.dial(t)
	message := []byte(`["1",null,"realtime:x","access_token",{}]`)
	for range 20*refusalsBurst + 100 {
		if flooding.WriteMessage(websocket.TextMessage, message) != nil {
			break // closed
		}
	}
	wantClose(t, flooding, 1008, "Too many messages per second")
	sendText(t, other, `["1","1","realtime:y","broadcast",{}]`)
	for {
		_, got, err := other.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) == `[null,null,"realtime:y","broadcast",{}]` {
			return
		}
	}
}
