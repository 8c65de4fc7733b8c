package gateway

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"walcast/internal/heavy"
)

func TestMessagesAboveTheRateAreAnsweredWithAnError(t *testing.T) {
	r := start(t, func(c *Config) { c.MessagesPerSecond = 1 })
	conn := r.dial(t)
	for i := range 3 {
		sendText(t, conn, fmt.Sprintf(`["1","%d","realtime:x","broadcast",{}]`, i))
	}
	sendText(t, conn, heartbeat)
	wantText(t, conn, `[null,null,"realtime:x","broadcast",{}]`)
	wantText(t, conn, `["1","1","realtime:x","phx_reply",{"status":"error","response":{"reason":"Too many messages per second","error":"too_many_messages"}}]`)
	wantText(t, conn, `["1","2","realtime:x","phx_reply",{"status":"error","response":{"reason":"Too many messages per second","error":"too_many_messages"}}]`)
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
		sendText(t, each, heartbeat)
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
	wantText(t, conn, `["1","1","realtime:x","phx_reply",{"status":"error","response":{"reason":"Too many bytes per second","error":"too_many_bytes"}}]`)
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

// TestLargeMessagesWaitForHeavyWorkAndSmallOnesDoNot has as much computed as may be:
// what is live must find a processor, and large messages must not take it.
func TestLargeMessagesWaitForHeavyWorkAndSmallOnesDoNot(t *testing.T) {
	r := start(t, nil)
	large, small := r.dial(t), r.dial(t)
	for _, conn := range []*websocket.Conn{large, small} {
		sendText(t, conn, heartbeat)
		wantText(t, conn, answered)
	}
	for range r.pools.heavy.Most() {
		r.pools.heavy.Begin()
	}
	text := `["1","1","realtime:x","broadcast","` + strings.Repeat("x", heavy.Bytes) + `"]`
	sendText(t, large, text)
	sendText(t, small, `["1","2","realtime:x","broadcast","small"]`)
	for _, conn := range []*websocket.Conn{large, small} {
		wantText(t, conn, `[null,null,"realtime:x","broadcast","small"]`)
	}
	for range r.pools.heavy.Most() {
		r.pools.heavy.End()
	}
	for _, conn := range []*websocket.Conn{large, small} {
		wantText(t, conn, `[null,null,`+text[len(`["1","1",`):])
	}
}
