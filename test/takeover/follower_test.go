package takeover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"walcast/test/program"
)

// follower is a client that wants every row once. It goes from node to node until one
// takes it, and comes back when its connection ends or falls silent.
type follower struct {
	t      *testing.T
	client string // its client_id; with "" it resumes by positions
	nodes  []*node
	bears  time.Duration // how long a node may be silent

	mu       sync.Mutex
	ids      []int // of the rows, as they came
	resyncs  []string
	closes   []int // codes by which it was closed
	refusals int   // handshakes answered with 503
	position string
	joins    int
	conn     *websocket.Conn
}

// follow starts a follower, which ends with the test, and waits for it to have joined.
func (f *field) follow(client string, nodes ...*node) *follower {
	f.t.Helper()
	return f.run(&follower{t: f.t, client: client, nodes: nodes, bears: silence})
}

// stay starts a follower that leaves its node only when it is sent away.
func (f *field) stay(client string, n *node) *follower {
	f.t.Helper()
	return f.run(&follower{t: f.t, client: client, nodes: []*node{n}, bears: patience})
}

func (f *field) run(c *follower) *follower {
	f.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var living sync.WaitGroup
	living.Go(func() {
		for ctx.Err() == nil {
			for _, n := range c.where() {
				c.visit(ctx, n)
			}
			program.Wait(ctx, 10*time.Millisecond)
		}
	})
	f.t.Cleanup(func() {
		stop()
		living.Wait()
	})
	until(f.t, "the first join of "+c.name(), func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.joins > 0 })
	return c
}

// where is the nodes that the follower goes to.
func (c *follower) where() []*node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes
}

// moves has the follower leave where it is and go to another node.
func (c *follower) moves(to *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = []*node{to}
	if c.conn != nil {
		c.conn.Close()
	}
}

func (c *follower) name() string {
	if c.client == "" {
		return "a client that resumes by positions"
	}
	return "client " + c.client
}

const (
	// silence is how long a node may be silent before most followers go elsewhere.
	silence = 3 * time.Second
	// beat is the time between two heartbeats, which a node answers.
	beat = 500 * time.Millisecond
)

// visit connects to a node, joins and reads until the connection ends.
func (c *follower) visit(ctx context.Context, n *node) {
	if ctx.Err() != nil {
		return
	}
	token := program.Sign(jwt.MapClaims{"role": "anon", "exp": time.Now().Add(time.Hour).Unix()})
	url := fmt.Sprintf("ws://%s/realtime/v1/websocket?vsn=2.0.0&apikey=%s", n.Address, token)
	if c.client != "" {
		url += "&client_id=" + c.client
	}
	dialer := websocket.Dialer{HandshakeTimeout: silence}
	conn, response, err := dialer.DialContext(ctx, url, nil)
	if err != nil {
		if response != nil && response.StatusCode == 503 && response.Header.Get("Retry-After") != "" {
			c.mu.Lock()
			c.refusals++
			c.mu.Unlock()
		}
		return
	}
	defer conn.Close()
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	done := context.AfterFunc(ctx, func() { conn.Close() })
	defer done()
	if conn.WriteMessage(websocket.TextMessage, []byte(c.join())) != nil {
		return
	}
	beats, stop := context.WithCancel(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		for program.Wait(beats, beat) {
			if conn.WriteMessage(websocket.TextMessage, []byte(`[null,"2","phoenix","heartbeat",{}]`)) != nil {
				return
			}
		}
	})
	c.read(conn)
	stop()
	conn.Close()
	beating.Wait()
}

func (c *follower) join() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	resume := ""
	if c.client == "" && c.position != "" {
		resume = fmt.Sprintf(`,"resume":{"from":%q}`, c.position)
	}
	return `["1","1","realtime:numbers","phx_join",{"config":{"postgres_changes":[{"event":"INSERT","schema":"public","table":"messages"` + resume + `}]}}]`
}

func (c *follower) read(conn *websocket.Conn) {
	for {
		_ = conn.SetReadDeadline(time.Now().Add(c.bears)) // fails only on a closed connection
		_, text, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			c.mu.Lock()
			c.closes = append(c.closes, closed.Code)
			c.mu.Unlock()
		}
		if err != nil {
			return
		}
		c.hear(text)
	}
}

func (c *follower) hear(text []byte) {
	var event string
	var payload struct {
		Status, Message, Code string
		Data                  struct {
			LSN    string
			Seq    int
			Record struct{ ID int }
		}
	}
	if err := json.Unmarshal(text, &[]any{new(any), new(any), new(any), &event, &payload}); err != nil {
		c.t.Errorf("%s reads %s: %v", c.name(), text, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case event == "phx_reply" && strings.Contains(string(text), "postgres_changes"):
		c.joins++
	case event == "postgres_changes":
		c.ids = append(c.ids, payload.Data.Record.ID)
		c.position = fmt.Sprintf("%s:%d", payload.Data.LSN, payload.Data.Seq)
	case strings.HasPrefix(payload.Message, "resync_required"):
		c.resyncs = append(c.resyncs, payload.Code)
	}
}

// has waits until the row has come.
func (c *follower) has(id int) {
	c.t.Helper()
	until(c.t, fmt.Sprintf("row %d to reach %s", id, c.name()), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return slices.Contains(c.ids, id)
	})
}

// hasOnce wants all rows up to last once and in order, and no resync.
func (c *follower) hasOnce(last int) {
	c.t.Helper()
	c.has(last)
	c.mu.Lock()
	defer c.mu.Unlock()
	want := make([]int, last)
	for i := range want {
		want[i] = i + 1
	}
	if !slices.Equal(c.ids, want) || len(c.resyncs) > 0 {
		c.t.Errorf("%s has rows %v, resyncs %q; want 1 to %d once and no resync", c.name(), c.ids, c.resyncs, last)
	}
}

// wasTold wants each row that is missing or doubled to be covered by a resync, of which
// there are so many, and the last row.
func (c *follower) wasTold(resyncs, last int) {
	c.t.Helper()
	c.has(last)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.resyncs) != resyncs || !slices.IsSorted(c.ids) || len(slices.Compact(slices.Clone(c.ids))) != len(c.ids) {
		c.t.Errorf("%s has rows %v, resyncs %q; want %d resyncs, and no row twice", c.name(), c.ids, c.resyncs, resyncs)
	}
}

// wasClosed wants the codes by which the follower was closed.
func (c *follower) wasClosed(codes ...int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.closes, codes) {
		c.t.Errorf("%s was closed with %v; want %v", c.name(), c.closes, codes)
	}
}

// hasAll wants all rows up to last in order, some of which may have come again, and only
// these resyncs.
func (c *follower) hasAll(last int, resyncs ...string) {
	c.t.Helper()
	c.has(last)
	c.mu.Lock()
	defer c.mu.Unlock()
	next := 1
	for _, id := range c.ids {
		if id > next {
			break
		}
		next = max(next, id+1)
	}
	if next <= last || !slices.Equal(c.resyncs, resyncs) {
		c.t.Errorf("%s has rows %v, resyncs %q; want 1 to %d, and resyncs %q", c.name(), c.ids, c.resyncs, last, resyncs)
	}
}

// forgive forgets what the client was told.
func (c *follower) forgive() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resyncs = nil
}
