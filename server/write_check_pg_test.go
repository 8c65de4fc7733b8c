package server

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestAPolicyThatChangesIsNoticedForWrites takes the permission to write away
// from a joined channel, and gives it back.
func TestAPolicyThatChangesIsNoticedForWrites(t *testing.T) {
	db := appDatabase(t)
	migrate(t, db)
	const allow = `create policy writing on realtime.messages for insert to anon with check (true)`
	db.Exec(`create policy reading on realtime.messages for select to anon using (true)`)
	db.Exec(allow)
	config := configFor(db)
	config.Channels.WriteCheck = 100 * time.Millisecond
	c := startServer(t, config).dial(t, "2.0.0")
	c.send("1", "realtime:room", "phx_join", `{"config":{"private":true,"broadcast":{"ack":true}}}`)
	c.next("phx_reply")
	ref := 1
	says := func(status string) bool {
		ref++
		c.send(strconv.Itoa(ref), "realtime:room", "broadcast", `{"type":"broadcast","event":"e","payload":{}}`)
		return strings.Contains(string(c.next("phx_reply").Payload), `"status":"`+status+`"`)
	}
	await := func(status string) {
		t.Helper()
		eventually(t, "a broadcast is answered "+status, func() bool { return says(status) })
	}
	if !says("ok") {
		t.Fatal("a broadcast is refused; want it allowed")
	}
	db.Exec(`drop policy writing on realtime.messages`)
	await("error")
	db.Exec(allow)
	await("ok")
}
