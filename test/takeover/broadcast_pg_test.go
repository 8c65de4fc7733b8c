package takeover

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// talker is a client on a topic of broadcasts, which stays on its node.
type talker struct {
	t    *testing.T
	conn *websocket.Conn

	mu    sync.Mutex
	texts []string // of broadcasts, as they came
	acks  int
	told  []string // codes of notices
}

// talk joins the topic "talk" on a node.
func (f *field) talk(client string, n *node) *talker {
	f.t.Helper()
	token := program.Sign(jwt.MapClaims{"role": "anon", "exp": time.Now().Add(time.Hour).Unix()})
	url := fmt.Sprintf("ws://%s/realtime/v1/websocket?vsn=1.0.0&apikey=%s", n.Address, token)
	if client != "" {
		url += "&client_id=" + client
	}
	var conn *websocket.Conn
	until(f.t, n.name+" to let a client in", func() (in bool) {
		var err error
		conn, _, err = websocket.DefaultDialer.DialContext(f.t.Context(), url, nil)
		return err == nil
	})
	c := &talker{t: f.t, conn: conn}
	joined := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { c.read(sync.OnceFunc(func() { close(joined) })) })
	f.t.Cleanup(func() {
		conn.Close()
		reading.Wait()
	})
	c.send("join", "phx_join", `{"config":{"broadcast":{"ack":true}}}`)
	select {
	case <-joined:
	case <-time.After(patience):
		f.t.Fatal("the join is not answered")
	}
	return c
}

func (c *talker) send(ref, event, payload string) {
	text := fmt.Appendf(nil, `{"join_ref":"1","ref":%q,"topic":"realtime:talk","event":%q,"payload":%s}`, ref, event, payload)
	if err := c.conn.WriteMessage(websocket.TextMessage, text); err != nil {
		c.t.Error(err)
	}
}

func (c *talker) read(joined func()) {
	for {
		_, frame, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var m struct {
			Ref, Event string
			Payload    struct {
				Status, Code string
				Payload      struct{ Text string }
			}
		}
		if err := json.Unmarshal(frame, &m); err != nil {
			c.t.Errorf("read %s: %v", frame, err)
			return
		}
		payload := m.Payload
		c.mu.Lock()
		switch {
		case m.Event == "phx_reply" && payload.Status != "ok":
			c.t.Errorf("answered with %s", frame)
		case m.Event == "phx_reply" && m.Ref == "join":
			joined()
		case m.Event == "phx_reply":
			c.acks++
		case m.Event == "broadcast":
			c.texts = append(c.texts, payload.Payload.Text)
		case payload.Code != "":
			c.told = append(c.told, payload.Code)
		}
		c.mu.Unlock()
	}
}

// says broadcasts a text.
func (c *talker) says(text string) {
	c.send("2", "broadcast", fmt.Sprintf(`{"type":"broadcast","event":"e","payload":{"text":%q}}`, text))
}

// until waits for a condition of what has come.
func (c *talker) until(what string, is func() bool) {
	c.t.Helper()
	until(c.t, what, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return is() })
}

// hears waits for a text.
func (c *talker) hears(text string) {
	c.t.Helper()
	c.until("the text "+text, func() bool { return slices.Contains(c.texts, text) })
}

// of are the texts of one sender.
func (c *talker) of(sender string) (texts []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range c.texts {
		if strings.HasPrefix(text, sender+" ") {
			texts = append(texts, text)
		}
	}
	return texts
}

// metric is a sample without labels.
func (n *node) metric(name string) float64 {
	n.t.Helper()
	got, err := program.Metric(n.t.Context(), n.Address, name)
	if err != nil {
		n.t.Fatal(err)
	}
	return got
}

// talking has clients of two nodes hear each other in order while one more node dies, and
// nodes without members get nothing.
func talking(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	_, nodes := f.cluster(3)
	const each = 400
	senders := map[string]*talker{"a": f.talk("", nodes[0]), "b": f.talk("", nodes[1]), "b2": f.talk("", nodes[1])}
	listener := f.talk("known", nodes[2])
	var sending sync.WaitGroup
	for name, c := range senders {
		sending.Go(func() {
			for n := range each {
				c.says(fmt.Sprintf("%s %d", name, n))
			}
		})
	}
	f.db.Exec(`select pg_logical_emit_message(true, 'walcast.broadcast', '{"topic":"talk","event":"e","payload":{"text":"sql 0"},"private":false}')`)
	sending.Wait()
	nodes[3].signal(syscall.SIGKILL)
	for name, c := range senders {
		c.until("all of "+name+" to be acknowledged", func() bool { return c.acks == each })
	}
	want := func(name string, count int) (texts []string) {
		for n := range count {
			texts = append(texts, fmt.Sprintf("%s %d", name, n))
		}
		return texts
	}
	for _, to := range []*talker{listener, senders["a"], senders["b"]} {
		for name, from := range senders {
			if from == to {
				continue
			}
			to.hears(fmt.Sprintf("%s %d", name, each-1))
			if got := to.of(name); !slices.Equal(got, want(name, each)) {
				t.Errorf("of %s came %q", name, got)
			}
		}
		to.hears("sql 0")
		if got := to.of("sql"); len(got) != 1 {
			t.Errorf("a message from SQL came %d times", len(got))
		}
	}
	listener.mu.Lock()
	defer listener.mu.Unlock()
	if slices.Contains(listener.told, "broadcasts_missed") {
		t.Errorf("the listener was told %q without a loss", listener.told)
	}
	for n, most := range map[*node]float64{nodes[0]: 2 * each, nodes[1]: each, nodes[2]: 3 * each} {
		if got := n.metric("walcast_channels_spread_received_total"); got != most {
			t.Errorf("%s got %v broadcasts of others; want %v", n.name, got, most)
		}
	}
}

// unheard has broadcasts be lost between two nodes that are cut off from each other.
func unheard(t *testing.T, binary string) {
	f, way := newField(t, binary, devdb.Open(t)), newBus(t)
	a := f.reader(way.node(t, patient...)...)
	cable := networkTo(t, way.first)
	b := f.start(append(patient, "--cluster-listen", freeAddress(t), "--cluster-peers", fmt.Sprintf("127.0.0.1:%d", cable.port()),
		"--cluster-secret", clusterSecret, "--state-dir", t.TempDir())...).awaitFollower()
	onA, known, plain := f.talk("", a), f.talk("known", b), f.talk("", b)
	onA.says("before")
	known.hears("before")
	plain.hears("before")
	cable.set(true)
	until(t, "the nodes to be apart", func() bool { return a.metric("walcast_cluster_routes")+b.metric("walcast_cluster_routes") == 0 })
	onA.says("lost")
	onA.until("an answer", func() bool { return onA.acks == 2 })
	cable.set(false)
	known.until("the loss to be told", func() bool { return slices.Contains(known.told, "broadcasts_missed") })
	onA.says("after")
	known.hears("after")
	plain.hears("after")
	plain.mu.Lock()
	defer plain.mu.Unlock()
	if slices.Contains(plain.texts, "lost") || len(plain.told) > 0 {
		t.Errorf("a client without client_id got %q and was told %q", plain.texts, plain.told)
	}
	if got := b.metric("walcast_channels_spread_gaps_total"); got < 1 {
		t.Errorf("%v losses counted; want 1", got)
	}
}
