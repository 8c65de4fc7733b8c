package server

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// TestTheBusiestClientOfTheRecipesHitsNoLimit has a client do in one moment what
// docs/recipes.md has it do in ten seconds, in every room of a large app, under
// the limits that are there by default.
func TestTheBusiestClientOfTheRecipesHitsNoLimit(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := s.dial(t, "2.0.0")
	const rooms = 150 // upstream allows 100
	binding := `{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.%d"}`
	bindings := strings.TrimSuffix(strings.Repeat(fmt.Sprintf(binding, 1)+",", 50), ",")
	for i := range rooms { // all at once, as after a reconnect
		c.send(fmt.Sprint(i), fmt.Sprintf("realtime:room%d", i), "phx_join",
			`{"config":{"broadcast":{"ack":true},"presence":{"key":"me"},"postgres_changes":[`+bindings+`]}}`)
	}
	for i := range rooms {
		c.send("t", fmt.Sprintf("realtime:room%d", i), "presence", `{"type":"presence","event":"track","payload":{"name":"Ann"}}`)
	}
	for i := range 330 { // the cursor of the recipe, which moves thirty times a second, and typing
		c.send(fmt.Sprint("c", i), "realtime:room0", "broadcast", `{"type":"broadcast","event":"cursor","payload":{"id":"me","x":1,"y":2}}`)
	}
	picture := strings.Repeat("x", 2<<20)
	c.send("p", "realtime:room1", "broadcast", `{"type":"broadcast","event":"picture","payload":{"data":"`+picture+`"}}`)
	for range 2*rooms + 331 {
		if reply := string(c.next("phx_reply").Payload); !strings.Contains(reply, `"status":"ok"`) {
			t.Fatalf("reply %.300s; want ok", reply)
		}
	}
	if limits := s.limited(t); len(limits) > 0 {
		t.Errorf("limits that were hit: %s; want none", limits)
	}
}

// limited is the samples of limits that somebody ran into.
func (s *running) limited(t *testing.T) []string {
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
	return hitLimit.FindAllString(string(body), -1)
}

var hitLimit = regexp.MustCompile(`(?m)^walcast_\w+_limited_total\{.*\} [1-9].*$`)
