package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"walcast/protocol"
)

func TestARefusedHandshakeIsToldByFramesToWhoAsksForThem(t *testing.T) {
	r := start(t, func(c *Config) { c.Origins = []string{"https://app.example"} })
	path := "ws://" + r.addr + "/realtime/v1/websocket?errors=frame"
	old := sign(t, jwt.MapClaims{"role": "anon", "exp": time.Now().Add(-time.Hour).Unix()})
	for _, c := range []struct {
		name, query, origin string
		code                int
		reason              string
	}{
		{"no key", "&vsn=2.0.0", "", protocol.CloseToken, "API key is missing"},
		{"a bad key", "&vsn=2.0.0&apikey=nonsense", "", protocol.CloseToken, "The token provided is not a valid JWT"},
		{"an expired token", "&vsn=2.0.0&apikey=" + old, "", protocol.CloseExpired, "Token has expired"},
		{"a foreign page", "&vsn=2.0.0&apikey=" + token(t), "https://evil.example", protocol.CloseOrigin, "Origin is not allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{}
			if c.origin != "" {
				header.Set("Origin", c.origin)
			}
			conn, _, err := websocket.DefaultDialer.Dial(path+c.query, header)
			if err != nil {
				t.Fatalf("dial: %v; want the handshake completed", err)
			}
			defer conn.Close()
			wantText(t, conn, string(protocol.V2.Refused(c.code, c.reason).Payload()))
			wantClose(t, conn, c.code, c.reason)
		})
	}
	conn, _, err := websocket.DefaultDialer.Dial(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantText(t, conn, `{"ref":null,"event":"system","payload":{"message":"API key is missing","status":"error","extension":"system","code":4001},"topic":"phoenix"}`)
	wantClose(t, conn, protocol.CloseToken, "API key is missing")
	if got := r.hub.size(); got != 0 {
		t.Errorf("%d sessions were opened; want none", got)
	}
	if got := r.sample(t, `walcast_gateway_refused_total{reason="token"}`); got != 4 {
		t.Errorf("counted %v refused tokens; want 4", got)
	}
}

func TestOtherRejectionsAreAnsweredOverHTTP(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxSessions = 1 })
	defer r.dial(t).Close()
	for query, want := range map[string]int{
		"?errors=frame&vsn=3.0.0&apikey=" + token(t): http.StatusForbidden,
		"?errors=frame&vsn=2.0.0&apikey=" + token(t): http.StatusTooManyRequests,
		"?errors=frames&vsn=2.0.0":                   http.StatusUnauthorized,
		"?vsn=2.0.0":                                 http.StatusUnauthorized,
	} {
		_, resp, err := websocket.DefaultDialer.Dial("ws://"+r.addr+"/realtime/v1/websocket"+query, nil)
		if err == nil || resp == nil || resp.StatusCode != want {
			t.Errorf("%s: %v, %v; want %d", query, resp, err, want)
		}
	}
	if status, body, _ := r.get(t, http.MethodGet, "/realtime/v1/websocket?errors=frame"); status != http.StatusUnauthorized || body != `{"error":"API key is missing"}` {
		t.Errorf("without an upgrade = %d %s; want 401 and why", status, body)
	}
}
