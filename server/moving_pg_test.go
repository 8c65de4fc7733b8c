package server

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// awaitSure waits until nodes take clients for new that none of them knows.
func awaitSure(t *testing.T, nodes ...*running) {
	t.Helper()
	for _, n := range nodes {
		n.wantSample(t, "walcast_channels_moving_unsure", 0)
	}
}

// TestClientsThatGoFromNodeToNodeMissNothing cuts clients at random, which come back to any
// of three nodes: nobody is told to resync, and nothing is missed.
func TestClientsThatGoFromNodeToNodeMissNothing(t *testing.T) {
	db := appDatabase(t)
	nodes := startNodes(t, configFor(db), 3)
	awaitSure(t, nodes...)
	var nomads []*nomad
	var living sync.WaitGroup
	t.Cleanup(func() {
		for _, n := range nomads {
			n.cut(true)
		}
		living.Wait()
	})
	for i := range 4 {
		n := newNomad(t, fmt.Sprint("nomad-", i), nodes...)
		nomads = append(nomads, n)
		living.Go(n.live)
	}
	for _, n := range nomads {
		<-n.joined
	}
	written := 0
	for range 300 {
		written++
		db.Exec(fmt.Sprintf("insert into messages values (%d, 1)", written))
		if rand.IntN(6) == 0 {
			n := nomads[rand.IntN(len(nomads))]
			n.awaitIn(t) // who is cut off while it joins may be told to resync elsewhere
			n.cut(false)
		}
	}
	for i, n := range nomads {
		n.await(t, written)
		n.mu.Lock()
		if n.resyncs > 0 {
			t.Errorf("client %d was told to resync %d times, of %d times that it came back", i, n.resyncs, n.cuts)
		}
		n.mu.Unlock()
	}
}

// TestAClientThatComesFromAnotherNodeMissesNoBroadcast: the node that it comes from has kept
// what it lacks. What is too much it is told that it misses, until it has heard that.
func TestAClientThatComesFromAnotherNodeMissesNoBroadcast(t *testing.T) {
	db := appDatabase(t)
	nodes := startNodes(t, configFor(db), 2)
	awaitSure(t, nodes...)
	a, b := nodes[0], nodes[1]
	talker := a.dial(t, "2.0.0").joinRoom()
	say := func(texts ...string) { // returns when all were taken
		for _, text := range texts {
			talker.tells(text)
		}
		talker.send("9", "phoenix", "heartbeat", "{}")
		talker.next("phx_reply")
	}
	a.dialAs(t, "mover").joinRoom().conn.Close()
	say("one", "two")
	db.Exec("insert into messages values (1, 1)")
	moved := b.dialAs(t, "mover").joinRoom()
	moved.goesOn("a client that comes from another node", "one", "two", `"id":1`)
	say("three")
	moved.goesOn("a client that comes from another node", "three")
	a.dialAs(t, "other").joinRoom().conn.Close()
	say(strings.Repeat("large ", 60<<10))
	for range 2 { // it is gone before it can have heard that
		b.dialAs(t, "other").joinRoom().conn.Close()
	}
	for range 2 {
		b.dialAs(t, "other").joinRoom().isTold("a client that misses more than goes along", "broadcasts_missed")
	}
	b.wantSample(t, `walcast_channels_moving_found_total{found="node"}`, 2)
	b.wantSample(t, `walcast_channels_moving_found_total{found="copy"}`, 0)
}

// TestNoBroadcastFallsBetweenNodes has one be sent just as a client goes from node to node.
func TestNoBroadcastFallsBetweenNodes(t *testing.T) {
	nodes := startNodes(t, configFor(appDatabase(t)), 3)
	awaitSure(t, nodes...)
	const clients, rounds = 4, 40
	talkers := make([]*client, len(nodes))
	for i, n := range nodes {
		talkers[i] = n.dial(t, "2.0.0").joinRoom()
	}
	told := 0
	for round := range rounds {
		texts := fmt.Sprint("round ", round, " of ")
		speaker := talkers[rand.IntN(len(nodes))]
		var moving sync.WaitGroup
		listeners := make([]*client, clients)
		heard := make([]bool, clients)
		for i := range clients {
			who := fmt.Sprint("listener-", round, "-", i)
			from, to := nodes[rand.IntN(len(nodes))], nodes[rand.IntN(len(nodes))]
			before := from.dialAs(t, who).joinRoom()
			moving.Go(func() {
				heard[i] = before.hasHeard(texts, time.Duration(rand.IntN(4))*time.Millisecond)
				listeners[i] = to.dialAs(t, who).joinRoom()
			})
		}
		speaker.tells(texts + "all")
		moving.Wait()
		speaker.tells("end of " + texts)
		for i, l := range listeners {
			again, missed := l.until("end of "+texts, texts)
			if !heard[i] && !again && !missed {
				t.Fatalf("round %d: listener %d neither heard what was said nor was told that it missed it", round, i)
			}
			if missed {
				told++
			}
			l.conn.Close()
		}
	}
	t.Logf("told %d times of %d", told, rounds*clients)
}

// hasHeard reads for a time at least, and reports whether a text has come. Then it is gone.
func (c *client) hasHeard(text string, lasts time.Duration) (heard bool) {
	c.conn.SetReadDeadline(time.Now().Add(lasts))
	defer c.conn.Close()
	for {
		_, frame, err := c.conn.ReadMessage()
		if err != nil {
			return heard
		}
		heard = heard || strings.Contains(string(frame), text)
	}
}

// until reads up to a text, and reports whether another has come, and whether broadcasts were
// missed.
func (c *client) until(last, text string) (heard, missed bool) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		_, frame, err := c.conn.ReadMessage()
		switch {
		case err != nil:
			c.t.Fatalf("waiting for %q: %v", last, err)
		case strings.Contains(string(frame), "resync_required"):
			missed = true
		case strings.Contains(string(frame), last):
			return heard, missed
		case strings.Contains(string(frame), text):
			heard = true
		}
	}
}
