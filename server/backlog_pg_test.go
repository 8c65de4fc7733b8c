package server

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// What a client has missed may be many times what may wait for it: it comes at
// the client's pace, by one connection. A row alone may be larger than the
// queue, and several channels come back at once.
func TestABacklogLargerThanTheQueueIsDeliveredAtTheClientsPace(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.Gateway.QueueBytes = 64 << 10
	s := startServer(t, config)
	url := fmt.Sprintf("ws://%s/realtime/v1/websocket?vsn=2.0.0&apikey=%s", s.Addr(), token(t))
	const rows = 600
	watch := dialBacklog(t, url)
	sendBacklogJoin(t, watch, 0, fmt.Sprintf(`"filter":"id=eq.%d"`, rows))
	first := untilBacklog(t, watch, "phx_reply").Response.Position
	db.Exec("insert into messages select n, 1, repeat('x', case n % 100 when 50 then 100000 else 3000 end) from generate_series(1, $1::int) n", rows)
	untilBacklog(t, watch, "postgres_changes") // all the others are in the log
	for _, channels := range []int{1, 3} {
		joined := 0
		conn := dialBacklog(t, url)
		for i := range channels {
			sendBacklogJoin(t, conn, i, fmt.Sprintf(`"resume":{"from":%q}`, first))
		}
		got := make([]int, channels)
		for done := 0; done < channels; {
			i, event, payload := readBacklog(t, conn)
			switch event {
			case "phx_reply":
				joined++
			case "postgres_changes":
				if got[i]++; payload.Data.Record.ID != got[i] {
					t.Fatalf("channel %d of %d got row %d after %d", i, channels, payload.Data.Record.ID, got[i]-1)
				}
				if got[i] == rows {
					done++
				}
			}
		}
		if joined != channels {
			t.Errorf("%d joins were answered; want %d", joined, channels)
		}
		conn.Close()
	}
}

type backlogPayload struct {
	Message  string
	Response struct{ Position string }
	Data     struct{ Record struct{ ID int } }
}

// untilBacklog reads up to an event.
func untilBacklog(t *testing.T, conn *websocket.Conn, want string) backlogPayload {
	t.Helper()
	for {
		if _, event, payload := readBacklog(t, conn); event == want {
			return payload
		}
	}
}

func dialBacklog(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// sendBacklogJoin joins the i-th channel; more is for its binding.
func sendBacklogJoin(t *testing.T, conn *websocket.Conn, i int, more string) {
	t.Helper()
	join := fmt.Sprintf(`["1","1","realtime:%d","phx_join",{"config":{"postgres_changes":[{"event":"INSERT","schema":"public","table":"messages",%s}]}}]`, i, more)
	if err := conn.WriteMessage(websocket.TextMessage, []byte(join)); err != nil {
		t.Fatal(err)
	}
}

// readBacklog reads a frame of the i-th channel.
func readBacklog(t *testing.T, conn *websocket.Conn) (i int, event string, payload backlogPayload) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	_, text, err := conn.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	var topic string
	if err := json.Unmarshal(text, &[]any{new(any), new(any), &topic, &event, &payload}); err != nil {
		t.Fatalf("read %.200s: %v", text, err)
	}
	if _, err := fmt.Sscanf(topic, "realtime:%d", &i); err != nil {
		t.Fatalf("topic %q: %v", topic, err)
	}
	return i, event, payload
}
