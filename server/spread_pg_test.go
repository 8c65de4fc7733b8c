package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"walcast/protocol"
	"walcast/test/program"
)

// startNodes starts servers that are nodes of a cluster and know each other.
func startNodes(t *testing.T, c Config, count int) (nodes []*running) {
	t.Helper()
	var first string
	for range count {
		listen, err := program.FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		c.Cluster.Listen, c.Cluster.Secret, c.Cluster.Peers = listen, "the-secret-of-this-cluster", nil
		if first != "" {
			c.Cluster.Peers = []string{first}
		} else {
			first = listen
		}
		nodes = append(nodes, startServer(t, c))
	}
	for _, n := range nodes {
		n.wantSample(t, "walcast_cluster_nodes", float64(count))
	}
	return nodes
}

// post sends a message over HTTP to the room, and returns the answer.
func (s *running) post(t *testing.T, role, sub, query, payload string) (status int, body string) {
	t.Helper()
	return s.postAs(t, userToken(t, role, sub), query, payload)
}

// postAs is post with a token and more headers.
func (s *running) postAs(t *testing.T, token, query, payload string, headers ...string) (status int, body string) {
	t.Helper()
	return s.send(t, token, "/api/broadcast/room/events/e"+query, payload, headers...)
}

// send posts JSON.
func (s *running) send(t *testing.T, token, path, body string, headers ...string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// TestBroadcastsCrossNodes has messages of every kind reach the clients of each node
// once, and those of a private topic only who may read there.
func TestBroadcastsCrossNodes(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members select 'room', usr::uuid from unnest($1::text[]) usr`, []string{userID(1), userID(2), userID(3)})
	nodes := startNodes(t, roomsConfig(db, seldom), 2)
	a, b := nodes[0], nodes[1]
	talker, onB := a.user(t, "authenticated", userID(1), ""), b.user(t, "authenticated", userID(2), "")
	revoked, stranger, public := b.user(t, "authenticated", userID(3), ""), b.user(t, "authenticated", userID(4), ""), b.dial(t, "1.0.0")
	talker.mustEnter(`,"broadcast":{"ack":true}`)
	onB.mustEnter("")
	revoked.mustEnter("")
	if stranger.enter("") {
		t.Error("who may not read is let in")
	}
	public.send("1", "realtime:room", "phx_join", `{"config":{}}`)
	public.next("phx_reply")

	talker.says("of a client")
	if answer := talker.next("phx_reply"); !strings.Contains(string(answer.Payload), `"status":"ok"`) {
		t.Errorf("the broadcast is answered with %s; want ok", answer.Payload)
	}
	if got := revoked.hears(); got != "of a client" {
		t.Errorf("who may read hears %q", got)
	}
	db.Exec(`delete from members where usr = $1`, userID(3))
	revoked.wantEnded()
	if status, body := a.post(t, "authenticated", userID(1), "?private=true", `{"text":"over HTTP"}`); status != http.StatusAccepted {
		t.Errorf("POST is answered with %d %s", status, body)
	}
	talker.send("8", "realtime:room", "broadcast", `{"type":"broadcast","event":"e","persist":true,"payload":{"text":"stored by a client"}}`)
	if status, body := a.post(t, "authenticated", userID(1), "?private=true&persist=true", `{"text":"stored over HTTP"}`); status != http.StatusAccepted || !strings.Contains(body, `"id"`) {
		t.Errorf("POST with persist is answered with %d %s", status, body)
	}
	var heard []string
	for range 4 {
		heard = append(heard, onB.hears())
	}
	if want := []string{"of a client", "over HTTP"}; !slices.Equal(heard[:2], want) || !slices.Contains(heard, "stored by a client") || !slices.Contains(heard, "stored over HTTP") {
		t.Errorf("the other node's client hears %q", heard)
	}
	db.Exec(`select realtime.send('{"text":"of SQL"}', 'e', 'room', true)`)
	if got := onB.hears(); got != "of SQL" {
		t.Errorf("after a message from SQL the client hears %q", got)
	}
	db.Exec(`select realtime.send('{"text":"public"}', 'e', 'room', false)`)
	if got := public.hears(); got != "public" {
		t.Errorf("the public topic hears %q; want nothing of the private one", got)
	}
	b.wantSample(t, "walcast_channels_spread_received_total", 4) // messages from SQL come with the log
	if status, body := a.post(t, "authenticated", userID(2), "?private=true", `{"text":"the last"}`); status != http.StatusAccepted {
		t.Errorf("POST is answered with %d %s", status, body)
	}
	if got := onB.hears(); got != "the last" {
		t.Errorf("the client hears %q; want each message once", got)
	}
}

// TestPersistedMessagesAreReplayedOnAnotherNode has a client join while messages are
// stored on another node: each comes once.
func TestPersistedMessagesAreReplayedOnAnotherNode(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members values ('room', $1)`, userID(1))
	nodes := startNodes(t, roomsConfig(db, seldom), 2)
	const each = 40
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range each {
			if status, body := nodes[0].post(t, "authenticated", userID(1), "?private=true&persist=true", fmt.Sprintf(`{"text":"%d"}`, n)); status != http.StatusAccepted {
				t.Errorf("POST is answered with %d %s", status, body)
			}
		}
	}()
	c := nodes[1].user(t, "authenticated", userID(1), "")
	c.mustEnter(`,"broadcast":{"replay":{"since":0,"limit":25}}`)
	var heard []string
	for len(heard) == 0 || heard[len(heard)-1] != fmt.Sprint(each-1) {
		heard = append(heard, c.hears())
	}
	<-done
	for i, text := range heard {
		if want := fmt.Sprint(each - len(heard) + i); text != want {
			t.Fatalf("heard %q; want each message once, in order", heard)
		}
	}
}

// TestTheBusIsAway has the sender be told that other nodes do not get its messages.
func TestTheBusIsAway(t *testing.T) {
	db := appDatabase(t)
	c := configFor(db)
	nats := startNATS(t)
	c.Cluster.NATSURL = "nats://" + nats.Addr().String()
	a := startServer(t, c)
	talker, other := a.dial(t, "2.0.0"), a.dial(t, "2.0.0")
	for _, client := range []*client{talker, other} {
		client.send("1", "realtime:room", "phx_join", `{"config":{"broadcast":{"ack":true}}}`)
		client.next("phx_reply")
	}
	answer := func(text string) string {
		talker.tells(text)
		return string(talker.next("phx_reply").Payload)
	}
	if got := answer("taken"); !strings.Contains(got, `"status":"ok"`) {
		t.Errorf("with a bus the broadcast is answered with %s", got)
	}
	if status, body := a.post(t, "anon", "", "", `{"x":"`+strings.Repeat("x", 1100<<10)+`"}`); status != http.StatusRequestEntityTooLarge || !strings.Contains(body, "max_payload") {
		t.Errorf("POST of more than NATS takes is answered with %d %s", status, body)
	}
	nats.Shutdown()
	nats.WaitForShutdown()
	a.wantSample(t, "walcast_cluster_connected", 0)
	var reply struct {
		Status   string
		Response struct{ Reason, Error string }
	}
	eventually(t, "the sender is told", func() bool {
		if err := json.Unmarshal([]byte(answer("kept here")), &reply); err != nil {
			t.Fatal(err)
		}
		return reply.Status == "error"
	})
	if want := protocol.RefuseBusAway.Error(); reply.Response.Reason != want || reply.Response.Error != "cluster_unavailable" {
		t.Errorf("the broadcast is answered with %+v; want %q", reply, want)
	}
	if status, body := a.post(t, "anon", "", "", `{"x":1}`); status != http.StatusServiceUnavailable || !strings.Contains(body, "Only clients of this node") {
		t.Errorf("POST is answered with %d %s; want 503", status, body)
	}
	batch := func(prefer string) (int, string) {
		return a.send(t, token(t), "/api/broadcast", `{"messages":[{"topic":"room","event":"e","payload":{}}]}`, "Prefer", prefer)
	}
	if status, body := batch(""); status != http.StatusServiceUnavailable || !strings.Contains(body, "Only clients of this node") {
		t.Errorf("a batch is answered with %d %s; want 503", status, body)
	}
	if status, body := batch("return=representation"); status != http.StatusAccepted || !strings.Contains(body, `{"messages":[{"status":"error","reason":"Only clients`) {
		t.Errorf("a batch that wants to know is answered with %d %s; want the reason", status, body)
	}
	for got := ""; !strings.Contains(got, "kept here"); {
		got = string(other.next("broadcast").Payload)
	}
}

// startNATS starts a NATS server of its own.
func startNATS(t *testing.T) *natsserver.Server {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not listen")
	}
	return s
}

// TestARepeatedRequestIsAnsweredOnAnotherNode has a client whose answer was lost go
// elsewhere.
func TestARepeatedRequestIsAnsweredOnAnotherNode(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members values ('room', $1)`, userID(1))
	nodes := startNodes(t, roomsConfig(db, seldom), 2)
	c := nodes[1].user(t, "authenticated", userID(1), "")
	c.mustEnter("")
	token := userToken(t, "authenticated", userID(1)) // a key counts for one token
	post := func(n *running, text string) (int, string) {
		return n.postAs(t, token, "?private=true&persist=true", fmt.Sprintf(`{"text":%q}`, text), "Idempotency-Key", "k")
	}
	status, first := post(nodes[0], "once")
	if status != http.StatusAccepted || !strings.Contains(first, `"id"`) {
		t.Fatalf("POST is answered with %d %s", status, first)
	}
	if status, again := post(nodes[1], "once"); status != http.StatusAccepted || again != first {
		t.Errorf("the repeated POST is answered with %d %s; want %s", status, again, first)
	}
	if status, body := post(nodes[1], "another"); status != http.StatusUnprocessableEntity {
		t.Errorf("another POST with the key is answered with %d %s; want 422", status, body)
	}
	nodes[0].post(t, "authenticated", userID(1), "?private=true", `{"text":"the last"}`)
	if got := []string{c.hears(), c.hears()}; !slices.Equal(got, []string{"once", "the last"}) {
		t.Errorf("heard %q; want the repeated message once", got)
	}
}
