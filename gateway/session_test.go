package gateway

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/protocol"
)

const (
	heartbeat = `[null,"1","phoenix","heartbeat",{}]`
	answered  = `[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]`
)

func TestSessionAnswersHeartbeats(t *testing.T) {
	r := start(t, nil)
	conn := r.dial(t)
	sendText(t, conn, heartbeat)
	wantText(t, conn, answered)
}

func TestSessionIgnoresWhatItCannotRead(t *testing.T) {
	r := start(t, nil)
	conn := r.dial(t)
	for _, bad := range []string{"", "nonsense", "{}", "[]", "[1,2,3]", "null", "\xff\xfe", strings.Repeat("[", 10_000)} {
		sendText(t, conn, bad)
	}
	if err := conn.WriteMessage(websocket.BinaryMessage, []byte{0xff, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	sendText(t, conn, heartbeat)
	wantText(t, conn, answered)
	if got := r.sample(t, "walcast_gateway_malformed_total"); got != 9 {
		t.Errorf("malformed = %v, want 9", got)
	}
}

func TestSessionAnswersPings(t *testing.T) {
	r := start(t, nil)
	conn := r.dial(t)
	got := make(chan string, 1)
	conn.SetPongHandler(func(data string) error {
		got <- data
		return nil
	})
	if err := conn.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	sendText(t, conn, heartbeat)
	wantText(t, conn, answered) // reads past the pong, which came first
	if data := <-got; data != "hello" {
		t.Errorf("pong = %q, want hello", data)
	}
}

func TestSessionRepeatsTheClientsCloseCode(t *testing.T) {
	r := start(t, nil)
	for _, test := range []struct{ sent, want int }{{1000, 1000}, {1001, 1001}, {4321, 4321}, {websocket.CloseNoStatusReceived, 1005}} {
		conn := r.dial(t)
		frame := websocket.FormatCloseMessage(test.sent, "")
		if err := conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		wantClose(t, conn, test.want, "")
	}
	eventually(t, "sessions counted", func() bool {
		return r.sample(t, `walcast_gateway_closed_total{reason="client"}`) == 4
	})
}

func TestSessionTakesTheLargestMessageAndNoMore(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxFrame, c.CloseTimeout = 100_000, 200*time.Millisecond })
	padded := func(size int) string {
		const head, tail = `[null,"1","phoenix","heartbeat",{"pad":"`, `"}]`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	conn := r.dial(t)
	sendText(t, conn, padded(100_000))
	wantText(t, conn, answered)
	conn.WriteMessage(websocket.TextMessage, []byte(padded(100_001)))
	wantClose(t, conn, 1009, "")
	wantLimited(t, r, "message_size")
	eventually(t, "session counted", func() bool {
		return r.sample(t, `walcast_gateway_closed_total{reason="too_big"}`) == 1
	})
}

func TestSessionWhoseClientDoesNotSpeakWebSocketIsToldSo(t *testing.T) {
	r := start(t, nil)
	for name, bytes := range map[string]string{
		"unmasked frame":      "\x81\x02hi",
		"reserved bits":       "\xf1\x80\x00\x00\x00\x00",
		"unknown opcode":      "\x83\x80\x00\x00\x00\x00",
		"fragmented ping":     "\x09\x80\x00\x00\x00\x00",
		"bad close code":      "\x88\x82\x00\x00\x00\x00\x03\xe7",
		"continuation of air": "\x80\x80\x00\x00\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			conn := handshake(t, r)
			defer conn.Close()
			if _, err := conn.Write([]byte(bytes)); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			got, err := io.ReadAll(conn)
			if want := "\x88\x02\x03\xea"; string(got) != want || err != nil {
				t.Errorf("read %q, %v; want %q and the end", got, err, want)
			}
		})
	}
	eventually(t, "sessions gone", func() bool { return r.hub.size() == 0 })
}

func TestSessionEndsWhenNothingArrives(t *testing.T) {
	r := start(t, func(c *Config) { c.IdleTimeout, c.PingInterval = 300*time.Millisecond, 100*time.Millisecond })
	silent := r.dial(t)
	silent.SetPingHandler(func(string) error { return nil })
	lively := r.dial(t)
	answering := make(chan error, 1)
	go func() { // gorilla answers pings while it reads
		_, _, err := lively.ReadMessage()
		answering <- err
	}()
	wantClose(t, silent, 1000, "")
	wantLimited(t, r, "idle")
	if got := r.sample(t, `walcast_gateway_closed_total{reason="idle"}`); got > 1 {
		t.Errorf("idle sessions closed = %v, want 1", got)
	}
	if r.hub.size() == 0 {
		t.Error("session that answers pings was closed too")
	}
	lively.Close()
	if err := <-answering; err == nil {
		t.Error("read a message, want none")
	}
}

func TestSessionThatReadsTooSlowlyIsClosedAndNobodyElse(t *testing.T) {
	r := start(t, func(c *Config) { c.QueueBytes, c.CloseTimeout = 256<<10, patience })
	slow, fast := r.dial(t), r.dial(t)
	shrink(t, r)
	eventually(t, "both open", func() bool { return r.hub.size() == 2 })
	frame := protocol.V2.Push("", "", "realtime:x", "e", []byte(`{"pad":"`+strings.Repeat("x", 50_000)+`"}`))
	want := string(frame.Payload())
	sent := 0
	for r.sample(t, "walcast_gateway_queue_overflows_total") == 0 {
		r.hub.say(frame)
		wantText(t, fast, want)
		if sent++; sent > 10_000 {
			t.Fatal("the slow session is still open")
		}
	}
	wantClose(t, slow, 1013, "client reads too slowly")
	wantLimited(t, r, "queue")
	sendText(t, fast, heartbeat)
	wantText(t, fast, answered)
}

// TestSlowSessionMayLoseBroadcastsInstead has a client that does not read get
// broadcasts and row changes: where the setting says so it stays, gets every row
// change in order, and misses some broadcasts; with a client_id it is closed, as
// it comes back for all of them.
func TestSlowSessionMayLoseBroadcastsInstead(t *testing.T) {
	r := start(t, func(c *Config) { c.QueueBytes, c.DropBroadcasts = 256<<10, true })
	slow := r.dial(t)
	returning, _, err := websocket.DefaultDialer.Dial(r.url(t)+"&client_id=me", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer returning.Close()
	eventually(t, "both open", func() bool { return r.hub.size() == 2 })
	shrink(t, r)
	text := protocol.Broadcast{Relay: []byte(`{"event":"e","pad":"` + strings.Repeat("x", 20_000) + `"}`)}
	dropped := func() bool { return r.sample(t, "walcast_gateway_broadcasts_dropped_total") > 20 }
	rows, casts := 0, 0
	for ; !dropped(); casts++ {
		if casts > 20_000 {
			t.Fatal("no broadcast was dropped")
		}
		r.hub.say(protocol.V2.Broadcast("realtime:x", text))
		if casts%100 == 0 {
			r.hub.say(protocol.V2.Push("", "", "realtime:x", "row", fmt.Appendf(nil, "%d", rows)))
			rows++
		}
	}
	wantClose(t, returning, 1013, "client reads too slowly")
	r.hub.say(protocol.V2.Push("", "", "realtime:x", "end", []byte("{}")))
	slow.SetReadDeadline(time.Now().Add(patience))
	heard := 0
	for next := 0; ; {
		_, got, err := slow.ReadMessage()
		switch {
		case err != nil:
			t.Fatalf("read: %v; want the slow session to stay", err)
		case string(got) == fmt.Sprintf(`[null,null,"realtime:x","row",%d]`, next):
			next++
		case string(got) == `[null,null,"realtime:x","end",{}]`:
			if next != rows || heard >= casts {
				t.Errorf("got %d of %d row changes and %d of %d broadcasts; want all row changes and not all broadcasts", next, rows, heard, casts)
			}
			return
		case strings.Contains(string(got), `"broadcast"`):
			heard++
		default:
			t.Fatalf("got %.100s, waiting for row change %d", got, next)
		}
	}
}

// shrink makes the kernel's buffers small, so that a client that does not read
// is felt soon.
func shrink(t *testing.T, r *running) {
	t.Helper()
	eventually(t, "all sessions known", func() bool { // they are open a moment before
		known := 0
		r.sessions.each(func(s *session) {
			known++
			if err := s.transport.Conn.(*net.TCPConn).SetWriteBuffer(16 << 10); err != nil {
				t.Error(err)
			}
		})
		return known == r.hub.size()
	})
}

func TestSessionThatStopsReadingIsCutAfterTheCloseTimeout(t *testing.T) {
	r := start(t, func(c *Config) { c.QueueBytes, c.CloseTimeout = 64<<10, 200*time.Millisecond })
	conn := handshake(t, r)
	defer conn.Close()
	eventually(t, "open", func() bool { return r.hub.size() == 1 })
	frame := protocol.V2.Push("", "", "realtime:x", "e", []byte(`{"pad":"`+strings.Repeat("x", 50_000)+`"}`))
	eventually(t, "session cut", func() bool {
		r.hub.say(frame)
		return r.hub.size() == 0
	})
	eventually(t, "counted as slow", func() bool { return r.sample(t, `walcast_gateway_closed_total{reason="slow"}`) == 1 })
}

func TestSessionWhoseWritesStallIsCut(t *testing.T) {
	r := start(t, func(c *Config) { c.QueueBytes, c.WriteTimeout = 64<<20, 200*time.Millisecond })
	conn := handshake(t, r)
	defer conn.Close()
	eventually(t, "open", func() bool { return r.hub.size() == 1 })
	frame := protocol.V2.Push("", "", "realtime:x", "e", []byte(`{"pad":"`+strings.Repeat("x", 900_000)+`"}`))
	for range 20 {
		r.hub.say(frame)
	}
	eventually(t, "session cut", func() bool { return r.hub.size() == 0 })
	eventually(t, "counted as stalled", func() bool { return r.sample(t, `walcast_gateway_closed_total{reason="stalled"}`) == 1 })
}

func TestSessionKeepsTheOrderOfFrames(t *testing.T) {
	r := start(t, func(c *Config) { c.QueueBytes = 64 << 20 })
	conn := r.dial(t)
	eventually(t, "open", func() bool { return r.hub.size() == 1 })
	var want []string
	for i := range 5000 {
		size := i * 7919 % 3000 // writes bounded by count, by size, and single large ones
		if i%1000 == 999 {
			size = 300_000
		}
		f := protocol.V2.Push("", "", "realtime:x", "e", []byte(`{"n":`+strings.Repeat("1", 1+size)+`}`))
		want = append(want, string(f.Payload()))
		r.hub.say(f)
	}
	for _, w := range want {
		wantText(t, conn, w)
	}
}

func TestSessionClosedByItsChannels(t *testing.T) {
	r := start(t, nil)
	r.hub.opened = make(chan *fakeSession, 1)
	conn := r.dial(t)
	g := <-r.hub.opened
	g.out.Push(protocol.V2.Push("", "", "realtime:x", "last words", []byte("{}")))
	g.out.Close(1001, "too many joins")
	g.out.Push(protocol.V2.Push("", "", "realtime:x", "too late", []byte("{}")))
	g.out.Close(1000, "twice")
	wantText(t, conn, `[null,null,"realtime:x","last words",{}]`)
	wantClose(t, conn, 1001, "too many joins")
	eventually(t, "session gone", func() bool { return r.hub.size() == 0 })
}

func TestSessionEndsWhenTheClientVanishes(t *testing.T) {
	r := start(t, nil)
	conn := handshake(t, r)
	if _, err := conn.Write([]byte("\x81\xfe\x10")); err != nil { // half a header
		t.Fatal(err)
	}
	eventually(t, "open", func() bool { return r.hub.size() == 1 })
	conn.Close()
	eventually(t, "gone", func() bool { return r.hub.size() == 0 })
	eventually(t, "counted", func() bool {
		return r.sample(t, `walcast_gateway_closed_total{reason="gone"}`) == 1
	})
}

func TestDrainTellsEverybodyAndWaits(t *testing.T) {
	r := start(t, nil)
	conns := []*websocket.Conn{r.dial(t), r.dial(t), r.dial(t)}
	eventually(t, "all open", func() bool { return r.hub.size() == 3 })
	r.stop()
	for _, c := range conns {
		wantClose(t, c, 1012, "server is stopping")
	}
	if err := <-r.done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	r.done <- nil // for the cleanup
	if n := r.hub.size(); n != 0 {
		t.Errorf("sessions after Run = %d, want 0", n)
	}
	if _, err := net.Dial("tcp", r.addr); err == nil {
		t.Error("still accepts connections after Run")
	}
}

func TestDrainCutsThoseWhoStay(t *testing.T) {
	r := start(t, func(c *Config) { c.CloseTimeout, c.DrainTimeout = time.Hour, 200*time.Millisecond })
	conn := handshake(t, r) // answers nothing
	defer conn.Close()
	eventually(t, "open", func() bool { return r.hub.size() == 1 })
	r.stop()
	conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("still connected after DrainTimeout")
	}
	eventually(t, "gone", func() bool { return r.hub.size() == 0 })
}

func TestSlowRequestsAreCut(t *testing.T) {
	r := start(t, func(c *Config) { c.HeaderTimeout = 100 * time.Millisecond })
	for name, half := range map[string]string{
		"headers":                "GET /socket/websocket HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		"body":                   "POST /body HTTP/1.1\r\nHost: x\r\nApikey: " + token(t) + "\r\nContent-Length: 100\r\n\r\n{",
		"body that nobody reads": "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", r.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte(half)); err != nil {
				t.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("half a request was not cut off")
			}
		})
	}
}
