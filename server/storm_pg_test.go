package server

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"walcast/internal/await"
)

const (
	stormSockets  = 1000
	stormDuration = 10 * time.Second
)

// TestStorm has a thousand clients join, listen, speak, leave and die at random. A
// client that only listens misses nothing meanwhile; afterwards no session, no
// channel, no binding and no goroutine is left.
func TestStorm(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.Gateway.CloseTimeout = 200 * time.Millisecond
	s := startServer(t, config)
	// What a server starts once, it has started when a first client has come and gone.
	first := s.dial(t, "2.0.0")
	first.join("realtime:calm", "channel_id=eq.42")
	first.conn.Close()
	s.wantSample(t, "walcast_gateway_sessions", 0)
	calm := goleak.IgnoreCurrent()
	listener := s.dial(t, "2.0.0")
	listener.join("realtime:calm", "channel_id=eq.42")

	url := "ws://" + s.Addr() + "/socket/websocket?vsn=2.0.0&apikey=" + token(t)
	end := time.Now().Add(stormDuration)
	var storm sync.WaitGroup
	for range stormSockets {
		storm.Go(func() {
			for time.Now().Before(end) {
				visit(t, url)
			}
		})
	}
	storm.Go(func() { writeUntil(end, db.Exec) })
	for i := 1; ; i++ {
		got := listener.change()
		if got == "INSERT 0 end" {
			break
		}
		if want := fmt.Sprintf("INSERT %d x", 2*i); got != want {
			t.Fatalf("change %d of the listener = %s, want %s", i, got, want)
		}
	}
	storm.Wait()
	if opened := s.sample(t, `walcast_gateway_opened_total{version="2.0.0"}`); opened < stormSockets {
		t.Errorf("%v sessions were opened, want %d at least", opened, stormSockets)
	}
	listener.conn.Close()
	for _, name := range []string{"walcast_gateway_sessions", "walcast_channels_joined", "walcast_channels_bindings", "walcast_channels_topics"} {
		s.wantSample(t, name, 0)
	}
	await.True(t, patience, "the examination of the database to end", func() bool { return !isRunning("(*project).examineOnce(") })
	// pgx reads a connection in the background for as long as a statement is slow
	// to be taken, and until the connection is used again.
	goleak.VerifyNone(t, calm, goleak.IgnoreAnyFunction("github.com/jackc/pgx/v5/pgconn/internal/bgreader.(*BGReader).bgRead"))
}

// isRunning reports whether a goroutine is in a function, named as in a stack.
func isRunning(function string) bool {
	stacks := make([]byte, 16<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function)
}

// writeUntil writes pairs of rows, of which the second is the listener's, and
// then a last one for it.
func writeUntil(end time.Time, exec func(string, ...any)) {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for n := 1; time.Now().Before(end); n++ {
		exec(`insert into messages values ($1, $2, 'x'), ($3, 42, 'x')`, 2*n-1, n%5, 2*n)
		<-pace.C
	}
	exec(`insert into messages values (0, 42, 'end')`)
}

// visit is one session of the storm.
func visit(t *testing.T, url string) {
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	defer conn.Close()
	heard := make(chan struct{})
	defer func() { <-heard }() // after conn.Close
	defer conn.Close()
	go func() {
		defer close(heard)
		for err := error(nil); err == nil; {
			_, _, err = conn.ReadMessage()
		}
	}()
	for ref := range 1 + rand.IntN(12) {
		if conn.WriteMessage(websocket.TextMessage, []byte(whim(ref))) != nil {
			return
		}
		select {
		case <-heard:
			return
		case <-time.After(time.Duration(rand.IntN(500)) * time.Millisecond):
		}
	}
	if rand.IntN(2) == 0 {
		conn.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
	} // or gone without a word, with frames on their way
}

// whim is something that a client of the storm may say.
func whim(ref int) string {
	topic := rand.IntN(40)
	say := func(event, payload string) string {
		return fmt.Sprintf(`["%d","%d","realtime:storm%d",%q,%s]`, topic, ref, topic, event, payload)
	}
	switch n := rand.IntN(10); {
	case n < 5 || ref == 0:
		return say("phx_join", strings.ReplaceAll(`{"config":{"broadcast":{"self":true},"presence":{"key":"k"},"postgres_changes":[
			{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.N"}]}}`, "N", fmt.Sprint(rand.IntN(5))))
	case n < 7:
		return say("phx_leave", `{}`)
	case n < 8:
		return say("presence", `{"type":"presence","event":"track","payload":{"mood":"stormy"}}`)
	case n < 9:
		return say("broadcast", `{"type":"broadcast","event":"wind","payload":{"force":12}}`)
	}
	return `[null,"beat","phoenix","heartbeat",{}]`
}
