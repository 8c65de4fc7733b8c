package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"walcast/protocol"
)

// TestAGatewayThatIsBarredSendsClientsElsewhere until it is not any more.
func TestAGatewayThatIsBarredSendsClientsElsewhere(t *testing.T) {
	r := start(t, nil)
	early, stream := r.dial(t), r.read(t, http.MethodGet, oneTopic+token(t), nil)
	r.Bar()
	wantClose(t, early, protocol.CloseRestart, "server is stopping")
	if end := stream.rest(t); !strings.Contains(end, `"code":1012`) {
		t.Errorf("stream ends with %q; want code 1012", end)
	}
	eventually(t, "sessions gone", func() bool { return r.hub.size() == 0 })
	_, response, err := websocket.DefaultDialer.Dial(r.url(t), nil)
	if err == nil || response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" {
		t.Errorf("a socket is answered %v, %v; want 503 and when to come again", response, err)
	}
	code, body, header := r.get(t, http.MethodGet, oneTopic+token(t))
	if code != 503 || header.Get("Retry-After") != "1" || body != `{"error":"Server stands by for another"}` {
		t.Errorf("a stream is answered %d %s; want 503 and when to come again", code, body)
	}
	if got := r.sample(t, `walcast_gateway_refused_total{reason="standby"}`); got != 2 {
		t.Errorf("%v refusals are counted; want 2", got)
	}
	r.Admit()
	c := r.dial(t)
	sendText(t, c, heartbeat)
	wantText(t, c, answered)
}

// TestASessionThatOpensWhileTheGatewayIsBarredEnds though it was admitted before.
func TestASessionThatOpensWhileTheGatewayIsBarredEnds(t *testing.T) {
	r := start(t, nil)
	r.hub.inOpen = func(*fakeSession) { r.Bar() }
	wantClose(t, r.dial(t), protocol.CloseRestart, "server is stopping")
	eventually(t, "session gone", func() bool { return r.hub.size() == 0 })
}
