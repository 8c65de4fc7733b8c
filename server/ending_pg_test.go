package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"walcast/internal/await"
)

// end asks for sessions or channels to be ended.
func (s *running) end(t *testing.T, what, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addr()+"/api/"+what, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+userToken(t, "service_role", ""))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(resp.StatusCode, " ", string(answer))
}

func TestServersEndChannelsAndSessions(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members select 'room', unnest($1::uuid[])`, []string{userID(1), userID(2), userID(3)})
	s := startServer(t, roomsConfig(db, seldom))
	var users [4]*client
	for n := 1; n < len(users); n++ {
		users[n] = s.user(t, "authenticated", userID(n), "")
		users[n].mustEnter("")
	}
	if got := s.end(t, "unsubscribe", `{"sub":"`+userID(1)+`","topic":"room","private":true}`); got != `200 {"unsubscribed":1}` {
		t.Errorf("unsubscribe = %s; want one", got)
	}
	users[1].next("phx_close")
	users[1].mustEnter("") // its session is still there, and so is its right
	if got := s.end(t, "disconnect", `{"topic":"room","private":false}`); got != `200 {"disconnected":0}` {
		t.Errorf("disconnect from the public room = %s; want none", got)
	}
	if got := s.end(t, "disconnect", `{"sub":"`+userID(2)+`"}`); got != `200 {"disconnected":1}` {
		t.Errorf("disconnect = %s; want one", got)
	}
	users[2].next("phx_close") // first, so that supabase-js has nothing to join when it is back
	if _, _, err := users[2].conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("closed with %v; want 1000, which clients of Phoenix take for final", err)
	}
	if got := s.end(t, "disconnect", `{"topic":"room"}`); got != `200 {"disconnected":2}` {
		t.Errorf("disconnect from the room = %s; want the two that are left", got)
	}
	idle := s.user(t, "anon", userID(9), "")
	if err := idle.conn.WriteMessage(websocket.TextMessage, []byte(`{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}`)); err != nil {
		t.Fatal(err)
	}
	idle.next("phx_reply") // the session is there
	if got := s.end(t, "disconnect", `{"sub":"`+userID(9)+`"}`); got != `200 {"disconnected":1}` {
		t.Errorf("disconnect of a session that has joined nothing = %s; want one", got)
	}
	if _, _, err := idle.conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("closed with %v; want 1000", err)
	}
}

// TestSessionsAndChannelsAreEndedWhereverTheyAre asks each of three nodes for what is on
// the others, and once more what has been done.
func TestSessionsAndChannelsAreEndedWhereverTheyAre(t *testing.T) {
	db := roomsDatabase(t)
	db.Exec(`insert into members select 'room', unnest($1::uuid[])`, []string{userID(1), userID(2), userID(3)})
	nodes := startNodes(t, roomsConfig(db, seldom), 3)
	for _, n := range nodes { // none is there before the others hear it
		await.True(t, patience, "a node to be answered by the others", func() bool {
			return n.end(t, "disconnect", `{"sub":"nobody"}`) == `200 {"disconnected":0}`
		})
	}
	var users [4]*client
	for n := 1; n < len(users); n++ {
		users[n] = nodes[n-1].user(t, "authenticated", userID(n), "")
		users[n].mustEnter("")
	}
	if got := nodes[0].end(t, "unsubscribe", `{"topic":"room","private":true}`); got != `200 {"unsubscribed":3}` {
		t.Errorf("unsubscribe = %s; want three", got)
	}
	for _, u := range users[1:] {
		u.next("phx_close")
	}
	for n := 1; n < len(users); n++ {
		asked := nodes[n%len(nodes)] // never the one that the user is on
		if got := asked.end(t, "disconnect", `{"sub":"`+userID(n)+`"}`); got != `200 {"disconnected":1}` {
			t.Errorf("disconnect = %s; want one", got)
		}
		if _, _, err := users[n].conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("closed with %v; want 1000", err)
		}
	}
}
