package server

import (
	"fmt"
	"testing"

	"walcast/replication/changelog"
)

// resumes joins with a position of another server.
func (c *client) resumes(from string) *client {
	c.t.Helper()
	c.send("1", "realtime:a", "phx_join", fmt.Sprintf(
		`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","resume":{"from":%q}}]}}`, from))
	c.next("phx_reply")
	return c
}

// knows waits until a server has read which clients others have announced that have not
// come to it.
func (s *running) knows(t *testing.T, elsewhere int) {
	t.Helper()
	s.wantSample(t, "walcast_channels_elsewhere_topics", float64(elsewhere))
}

// TestClientsMayMoveBetweenTwoServersOfOneDatabase: each reads a slot of its own. What
// one of them has issued is continued by the other if its log has it, else the client
// is told. That both have the same state-dir does no harm. Clients that neither knows
// are new.
func TestClientsMayMoveBetweenTwoServersOfOneDatabase(t *testing.T) {
	db := appDatabase(t)
	config := stateful(t, db)
	a := startServer(t, config)
	onA, position := a.dialAs(t, "of-a").joinRoom(), a.dial(t, "2.0.0")
	position.join("realtime:position", "channel_id=eq.1")
	db.Exec(`insert into messages values (1, 1, 'row 1')`)
	onA.goesOn("a client of a", "row 1") // there is no other server yet
	tooOld := position.position()
	onA.conn.Close()

	other := config
	other.Replication.Slot += "_b"
	b := startServer(t, other)
	b.knows(t, 1)
	onB := b.dialAs(t, "of-b").joinRoom()
	db.Exec(`insert into messages values (2, 1, 'row 2')`)
	onB.goesOn("a client that b does not know, and nobody else", "row 2")
	of2 := position.position()
	moved := b.dialAs(t, "of-a").joinRoom()
	moved.isTold("a client of a that comes to b", changelog.CodeUnknown)
	db.Exec(`insert into messages values (3, 1, 'row 3')`)
	moved.goesOn("once told", "row 3")
	b.dial(t, "2.0.0").resumes(of2).goesOn("by a position of a", "row 3")
	b.dial(t, "2.0.0").resumes(tooOld).isTold("by a position from before b's slot", changelog.CodeSlotMissing)
	onB.goesOn("a client of b", "row 3")
	onB.conn.Close()
	moved.conn.Close()

	a.knows(t, 2)
	a.dialAs(t, "of-b").joinRoom().isTold("a client of b that comes to a", changelog.CodeUnknown)
	a.dialAs(t, "of-a").joinRoom().goesOn("a client that is back on a", "row 2", "row 3")
	newcomer := a.dialAs(t, "new-on-a").joinRoom()
	db.Exec(`insert into messages values (4, 1, 'row 4')`)
	newcomer.goesOn("a client that nobody knows", "row 4")
}

// TestClientsMayMoveBetweenTwoServersThatAreStartedAnew: what others have announced
// outlives a restart, though they are down then, and a server that starts is told of
// what it has missed.
func TestClientsMayMoveBetweenTwoServersThatAreStartedAnew(t *testing.T) {
	db := appDatabase(t)
	config := stateful(t, db)
	other := config
	other.Replication.Slot += "_b"
	a, b := startServer(t, config), startServer(t, other)
	db.Exec(`insert into messages values (1, 1, 'row 1')`)
	a.dialAs(t, "of-a").joinRoom()
	b.dialAs(t, "of-b").joinRoom()
	b.dialAs(t, "of-b-too").joinRoom()
	b.knows(t, 1)
	a.knows(t, 2)

	stopped(t, b)
	stopped(t, a)
	a = startServer(t, config)
	a.dialAs(t, "of-b").joinRoom().isTold("a client of b, which is down, after a restart of a", changelog.CodeUnknown)
	newcomer := a.dialAs(t, "new-on-a").joinRoom()
	db.Exec(`insert into messages values (2, 1, 'row 2')`)
	newcomer.goesOn("a client that nobody knows, after a restart of a", "row 2")
	a.dialAs(t, "of-a").joinRoom().goesOn("a client of a, after its restart", "row 2")

	b = startServer(t, other)
	b.knows(t, 3) // of-a, of-b, which was on a meanwhile, and new-on-a
	b.dialAs(t, "new-on-a").joinRoom().isTold("a client of a that came while b was down", changelog.CodeUnknown)
	b.dialAs(t, "of-b-too").joinRoom().goesOn("a client of b, after its restart", "row 2")
	newcomer = b.dialAs(t, "new-on-b").joinRoom()
	db.Exec(`insert into messages values (3, 1, 'row 3')`)
	newcomer.goesOn("a client that nobody knows, after a restart of b", "row 3")
	a.knows(t, 4) // all of b
	a.dialAs(t, "new-on-b").joinRoom().isTold("a client of b that comes to a", changelog.CodeUnknown)
}
