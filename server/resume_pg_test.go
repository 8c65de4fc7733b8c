package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// nomad is a client that knows nothing of resuming: it has a client_id, answers
// pings, and comes back when its connection is gone.
type nomad struct {
	url    func() string // where it connects to next
	joined chan struct{} // closed when its first join was answered

	mu      sync.Mutex
	conn    net.Conn
	seen    []int // ids in the order of their arrival
	resyncs int
	cuts    int
	owed    bool // everything, since joined
	isIn    bool // the join of the connection that there is was answered
	done    bool
}

// newNomad is a client that connects to any of some servers each time.
func newNomad(t *testing.T, client string, servers ...*running) *nomad {
	key := token(t)
	return &nomad{joined: make(chan struct{}), url: func() string {
		s := servers[rand.IntN(len(servers))]
		return fmt.Sprintf("ws://%s/realtime/v1/websocket?vsn=2.0.0&apikey=%s&client_id=%s", s.Addr(), key, client)
	}}
}

// live connects, joins and reads until the nomad is told to stop.
func (n *nomad) live() {
	for !n.stopped() {
		dialer := websocket.Dialer{NetDial: func(network, address string) (net.Conn, error) {
			conn, err := net.Dial(network, address)
			n.mu.Lock()
			n.conn, n.isIn = conn, false
			n.mu.Unlock()
			return conn, err
		}}
		conn, _, err := dialer.Dial(n.url(), nil)
		if err != nil {
			continue
		}
		join := `["1","1","realtime:numbers","phx_join",{"config":{"postgres_changes":[{"event":"INSERT","schema":"public","table":"messages"}]}}]`
		if conn.WriteMessage(websocket.TextMessage, []byte(join)) == nil {
			n.read(conn)
		}
		conn.Close()
	}
}

func (n *nomad) read(conn *websocket.Conn) {
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var event string
		var payload struct {
			Message string
			Data    struct{ Record struct{ ID int } }
		}
		if json.Unmarshal(text, &[]any{new(any), new(any), new(any), &event, &payload}) != nil {
			continue
		}
		n.mu.Lock()
		n.isIn = n.isIn || event == "phx_reply"
		switch {
		case event == "phx_reply" && !n.owed:
			n.owed = true
			close(n.joined)
		case event == "postgres_changes":
			n.seen = append(n.seen, payload.Data.Record.ID)
		case strings.HasPrefix(payload.Message, "resync_required"):
			n.resyncs++
		}
		n.mu.Unlock()
	}
}

// cut tears the connection that there is at the moment.
func (n *nomad) cut(stop bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.done = n.done || stop
	n.cuts++
	if n.conn != nil {
		n.conn.Close()
	}
}

// awaitIn waits until the join of the connection that there is was answered.
func (n *nomad) awaitIn(t *testing.T) {
	t.Helper()
	eventually(t, "a client is in again", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.isIn
	})
}

func (n *nomad) stopped() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.done
}

// hole is the first id up to last that has not arrived in order, 0 if there is
// none. Ids that come again do not count.
func (n *nomad) hole(last int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := 1
	for _, id := range n.seen {
		if id > next {
			return next
		}
		if id == next {
			next++
		}
	}
	if next <= last {
		return next
	}
	return 0
}

// await waits until everything up to last has arrived.
func (n *nomad) await(t *testing.T, last int) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); n.hole(last) != 0; <-ticker.C {
		if time.Now().After(end) {
			n.mu.Lock()
			defer n.mu.Unlock()
			t.Fatalf("seen %v (%d cuts, %d resyncs); want 1 to %d without a hole", n.seen, n.cuts, n.resyncs, last)
		}
	}
}

func TestClientsThatAreCutAtRandomMissNothing(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.StateDir = filepath.Join(t.TempDir(), "state")
	s := startServer(t, config)
	var nomads []*nomad
	var living sync.WaitGroup
	stop := func() {
		for _, n := range nomads {
			n.cut(true)
		}
		living.Wait()
	}
	t.Cleanup(stop)
	for i := range 4 {
		n := newNomad(t, fmt.Sprint("nomad-", i), s)
		nomads = append(nomads, n)
		living.Go(n.live)
	}
	written := 0
	insert := func() {
		written++
		db.Exec(fmt.Sprintf("insert into messages values (%d, 1)", written))
	}
	for _, n := range nomads {
		<-n.joined
	}
	for range 300 {
		insert()
		if rand.IntN(6) == 0 {
			nomads[rand.IntN(len(nomads))].cut(false)
		}
	}
	for _, n := range nomads {
		n.await(t, written)
	}
}
