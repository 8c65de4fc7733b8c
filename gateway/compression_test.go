package gateway

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"walcast/protocol"
)

// dialCompressed offers permessage-deflate and reports whether it was taken.
func dialCompressed(t *testing.T, r *running) (*websocket.Conn, bool) {
	t.Helper()
	dialer := websocket.Dialer{EnableCompression: true}
	conn, resp, err := dialer.Dial(r.url(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, strings.Contains(resp.Header.Get("Sec-Websocket-Extensions"), "permessage-deflate")
}

func TestCompressionIsNotNegotiatedUnlessSet(t *testing.T) {
	r := start(t, nil)
	conn, taken := dialCompressed(t, r)
	if taken {
		t.Error("permessage-deflate was negotiated, want not")
	}
	sendText(t, conn, heartbeat)
	wantText(t, conn, answered)
}

func TestCompressedMessagesAreRead(t *testing.T) {
	r := start(t, func(c *Config) { c.Compression, c.MaxFrame = true, 100_000 })
	conn, taken := dialCompressed(t, r)
	if !taken {
		t.Fatal("permessage-deflate was not negotiated")
	}
	sendText(t, conn, heartbeat)
	wantText(t, conn, answered)
	// A hundred bytes that become more than a message may have.
	conn.WriteMessage(websocket.TextMessage, []byte(strings.Repeat("x", 100_001)))
	wantClose(t, conn, 1009, "")
}

func TestLargeFramesAreCompressedOnceForAllWhoAgreed(t *testing.T) {
	r := start(t, func(c *Config) { c.Compression, c.QueueBytes = true, 64<<20 })
	one, _ := dialCompressed(t, r)
	two, _ := dialCompressed(t, r)
	plain := r.dial(t)
	eventually(t, "all open", func() bool { return r.hub.size() == 3 })
	var want []string
	for size := 1; size < 1<<20; size *= 3 {
		payload := []byte(`"` + strings.Repeat("ab", size) + `"`)
		for _, f := range []*protocol.Frame{
			protocol.V2.Push("", "", "realtime:x", "e", payload), protocol.V2.PushShared(`"1"`, "", "realtime:x", "e", payload),
		} {
			want = append(want, string(f.Payload()))
			r.hub.say(f)
		}
	}
	for _, conn := range []*websocket.Conn{one, two, plain} {
		for _, w := range want {
			wantText(t, conn, w)
		}
	}
	size := 0
	for _, w := range want {
		size += len(w)
	}
	if got := r.sample(t, "walcast_gateway_bytes_sent_total"); got > 1.1*float64(size) {
		t.Errorf("sent %.0f bytes, want little more than the plain session's %d", got, size)
	}
}

func TestCompressedMessageFromAClientThatDidNotAgree(t *testing.T) {
	r := start(t, nil)
	conn, resp, err := websocket.DefaultDialer.Dial(r.url(t), http.Header{})
	if err != nil {
		t.Fatal(err, resp)
	}
	defer conn.Close()
	if _, err := conn.NetConn().Write([]byte("\xc1\x80\x00\x00\x00\x00")); err != nil {
		t.Fatal(err)
	}
	wantClose(t, conn, 1002, "")
}
