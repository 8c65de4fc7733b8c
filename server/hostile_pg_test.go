package server

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
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

// abuses are things that clients do wrong, each on a session of its own.
var abuses = map[string]func(c *client){
	"garbage": func(c *client) {
		for range 1000 {
			junk := make([]byte, rand.IntN(200))
			for i := range junk {
				junk[i] = byte(rand.Uint32())
			}
			c.throw(websocket.BinaryMessage, junk)
			c.throw(websocket.TextMessage, junk)
		}
	},
	"deep JSON": func(c *client) {
		deep := strings.Repeat("[", 1_000_000)
		c.throw(websocket.TextMessage, []byte(deep))
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deep","phx_join",`+deep))
		closed := deep + strings.Repeat("]", 1_000_000)
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deep","phx_join",`+closed+`]`))
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deep","phx_join",{"config":{"postgres_changes":`+closed+`}}]`))
		c.throw(websocket.TextMessage, []byte(`[`+closed+`,`+closed+`,"realtime:deep","phx_join",{}]`))
	},
	"giant refs": func(c *client) {
		giant := strings.Repeat("r", 2_000_000)
		for range 5 {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%s","%s","realtime:giant","phx_join",{}]`, giant, giant))
		}
	},
	"ten thousand joins": func(c *client) {
		for i := range 10_000 {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%d","%d","realtime:j%d","phx_join",{"config":{}}]`, i, i, i))
		}
	},
	"ten thousand joins of one topic": func(c *client) {
		for i := range 10_000 {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%d","%d","realtime:same","phx_join",{"config":{}}]`, i, i))
		}
	},
	"a giant frame": func(c *client) {
		c.throw(websocket.TextMessage, make([]byte, 5_000_001))
	},
	"half a frame": func(c *client) {
		c.conn.NetConn().Write([]byte("\x81\xfe\x10"))
	},
	"never reads": func(c *client) {
		c.throw(websocket.TextMessage, []byte(`["1","1","realtime:deaf","phx_join",{"config":{"broadcast":{"self":true},"postgres_changes":[{"event":"*","schema":"public","table":"messages"}]}}]`))
		echo := []byte(`["1","2","realtime:deaf","broadcast",{"type":"broadcast","event":"e","payload":{"pad":"` + strings.Repeat("x", 500_000) + `"}}]`)
		for range 40 {
			c.throw(websocket.TextMessage, echo)
		}
	},
	"bad joins": func(c *client) {
		for i, payload := range []string{
			`null`, `[]`, `"x"`, `{"config":7}`, `{"config":{"private":"maybe"}}`, `{"access_token":"x"}`,
			`{"config":{"postgres_changes":[null,7,{},{"event":"*","schema":"public","table":"messages","filter":"id=eq.'; drop table messages"}]}}`,
			`{"config":{"postgres_changes":[` + strings.Repeat(`{"event":"*","schema":"public","table":"messages"},`, 2000) + `{}]}}`,
		} {
			c.throw(websocket.TextMessage, fmt.Appendf(nil, `["%d","%d","realtime:bad%d","phx_join",%s]`, i, i, i, payload))
		}
	},
}

// throw sends and does not care: the server may have closed by then.
func (c *client) throw(kind int, data []byte) {
	c.conn.SetWriteDeadline(time.Now().Add(2 * time.Second))
	c.conn.WriteMessage(kind, data)
}

// TestHostileClients has clients do all of this at once, while a well-behaved one
// listens to numbered rows: it misses none, and afterwards everything is as
// before.
func TestHostileClients(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.Gateway.CloseTimeout = 200 * time.Millisecond
	config.Gateway.HeaderTimeout = time.Second
	s := startServer(t, config)
	good := s.dial(t, "2.0.0")
	good.join("realtime:good", "channel_id=eq.42")
	before := heapBytes()

	const rows = 400
	var hostile sync.WaitGroup
	hostile.Go(func() {
		for i := range rows {
			db.Exec(`insert into messages values ($1, 42, 'x')`, i+1)
		}
	})
	for name, abuse := range abuses {
		c := s.dial(t, "2.0.0")
		hostile.Go(func() {
			abuse(c)
			if name != "never reads" {
				c.conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
				for err := error(nil); err == nil; {
					_, _, err = c.conn.ReadMessage()
				}
			}
			c.conn.NetConn().Close()
		})
	}
	hostile.Go(func() { dribble(t, s.Addr()) })
	for i := range rows {
		if got, want := good.change(), fmt.Sprintf("INSERT %d x", i+1); got != want {
			t.Fatalf("change %d = %s, want %s", i, got, want)
		}
	}
	hostile.Wait()
	s.wantSample(t, "walcast_gateway_sessions", 1)
	s.wantSample(t, "walcast_channels_joined", 1)
	s.wantSample(t, "walcast_channels_bindings", 1)
	if after := heapBytes(); after > before+48<<20 {
		t.Errorf("heap grew from %d to %d bytes", before, after)
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
