package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sample reads one number from /metrics.
func (s *running) sample(t *testing.T, name string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + s.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// wantSample waits until a metric has a value.
func (s *running) wantSample(t *testing.T, name string, want float64) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for got := s.sample(t, name); got != want; got = s.sample(t, name) {
		if time.Now().After(deadline) {
			t.Fatalf("%s = %v, want %v within %s", name, got, want, patience)
		}
		<-ticker.C
	}
}

func heapBytes() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// TestHostileClients has clients do all of this at once, while well-behaved ones
// listen to numbered rows and broadcasts: they miss none, and afterwards
// everything is as before.
func TestHostileClients(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.Gateway.CloseTimeout = 200 * time.Millisecond
	config.Gateway.HeaderTimeout = time.Second
	s := startServer(t, config)
	good := s.dial(t, "2.0.0")
	good.join("realtime:good", "channel_id=eq.42")
	speaker := s.dial(t, "1.0.0")
	speaker.send("1", "realtime:talk", "phx_join", `{"config":{"broadcast":{"self":true}}}`)
	speaker.next("phx_reply")
	before := heapBytes()

	const numbers = 400
	var hostile sync.WaitGroup
	hostile.Go(func() {
		for i := range numbers {
			db.Exec(`insert into messages values ($1, 42, 'x')`, i+1)
		}
	})
	for name, abuse := range abuses {
		c := s.dial(t, "2.0.0")
		hostile.Go(func() { misuse(name, c, abuse) })
	}
	hostile.Go(func() { dribble(t, s.Addr()) })
	for i := range numbers {
		speaker.send("2", "realtime:talk", "broadcast", fmt.Sprintf(`{"type":"broadcast","event":"n","payload":{"n":%d}}`, i))
		if got, want := string(speaker.next("broadcast").Payload), fmt.Sprintf(`{"type":"broadcast","event":"n","payload":{"n":%d}}`, i); got != want {
			t.Fatalf("broadcast %d = %s, want %s", i, got, want)
		}
		if got, want := good.change(), fmt.Sprintf("INSERT %d x", i+1); got != want {
			t.Fatalf("change %d = %s, want %s", i, got, want)
		}
	}
	hostile.Wait()
	s.wantSample(t, "walcast_gateway_sessions", 2)
	s.wantSample(t, "walcast_channels_joined", 2)
	s.wantSample(t, "walcast_channels_bindings", 1)
	wantHeapBelow(t, before+16<<20)
}

// misuse does one thing and goes away, with or without having read the answers.
func misuse(name string, c *client, abuse func(*client)) {
	abuse(c)
	if name != "never reads" {
		c.conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for err := error(nil); err == nil; {
			_, _, err = c.conn.ReadMessage()
		}
	}
	c.conn.NetConn().Close()
}

// wantHeapBelow waits until memory is back.
func wantHeapBelow(t *testing.T, limit uint64) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for heap := heapBytes(); heap > limit; heap = heapBytes() {
		if time.Now().After(deadline) {
			t.Fatalf("heap has %d bytes, want at most %d", heap, limit)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// dribble sends a handshake byte by byte until it is cut off.
func dribble(t *testing.T, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	request := "GET /socket/websocket HTTP/1.1\r\nX-Slow: " + strings.Repeat("x", 1000)
	for i := range request {
		if _, err := conn.Write([]byte(request[i : i+1])); err != nil {
			return
		}
		<-ticker.C
	}
	t.Error("a handshake may dribble for ever")
}
