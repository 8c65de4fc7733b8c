package takeover

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// awaitFollower waits until the node serves clients with what another reads.
func (n *node) awaitFollower() *node {
	n.t.Helper()
	until(n.t, n.name+" to follow", func() bool {
		n.mustLive()
		r := n.ready()
		return r.Code == http.StatusOK && r.Role == "follower" && r.Ready
	})
	return n
}

// cluster starts a reader and so many followers.
func (f *field) cluster(followers int) (way *bus, nodes []*node) {
	f.t.Helper()
	way = newBus(f.t)
	nodes = append(nodes, f.reader(way.node(f.t)...))
	for range followers {
		nodes = append(nodes, f.start(way.node(f.t)...).awaitFollower())
	}
	return way, nodes
}

// relayed has clients of every node get every row, whichever node reads.
func relayed(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	f.db.Exec(`insert into messages values (-1, 'x')`)
	_, nodes := f.cluster(2)
	clients := []*follower{f.stay("", nodes[0]), f.stay("", nodes[1]), f.stay("", nodes[2])}
	roams := f.follow("", nodes...)
	f.write(1, 5)
	for _, c := range append(clients, roams) {
		c.hasOnce(5)
	}
	began := time.Now()
	nodes[0].signal(syscall.SIGKILL)
	f.write(6, 8)
	clients[1].has(8)
	clients[2].has(8)
	t.Logf("rows flow again %s after the kill", time.Since(began).Round(time.Millisecond))
	for _, c := range []*follower{clients[1], clients[2], roams} {
		c.hasOnce(8)
	}
	clients[1].wasClosed()
	clients[2].wasClosed()
}

// frozenReader has the reader wake up when another has its place: it does no harm, and
// follows then.
func frozenReader(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	_, nodes := f.cluster(2)
	a, b, c := nodes[0], nodes[1], nodes[2]
	onB, onC, onA := f.stay("", b), f.stay("", c), f.stay("", a)
	f.write(1, 3)
	for _, client := range []*follower{onA, onB, onC} {
		client.hasOnce(3)
	}
	began := time.Now()
	a.signal(syscall.SIGSTOP)
	f.write(4, 6)
	onB.has(6)
	onC.has(6)
	t.Logf("rows flow again %s after the freeze", time.Since(began).Round(time.Millisecond))
	a.signal(syscall.SIGCONT)
	f.write(7, 8)
	for _, client := range []*follower{onB, onC} {
		client.hasOnce(8)
		client.wasClosed()
	}
	a.awaitFollower()
	onA.hasOnce(8)
	onA.wasClosed(1012)
}

// moving has a client go from node to node by its position.
func moving(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	way, nodes := f.cluster(1)
	client := f.follow("", nodes[1])
	f.write(1, 3)
	client.hasOnce(3)
	nodes[1].stop()
	f.write(4, 6)
	late := f.start(way.node(t)...).awaitFollower() // has what was written before it came
	client.moves(late)
	client.hasOnce(6)
	client.moves(nodes[0])
	f.write(7, 9)
	client.hasOnce(9)
}

// carried has clients with a client_id go from node to node, as they like, as their node is
// stopped, and as it is killed. What they have received goes along.
func carried(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	_, nodes := f.cluster(3)
	client, stays, dies := f.follow("c", nodes[1]), f.follow("s", nodes[2]), f.follow("d", nodes[3])
	f.write(1, 3)
	for _, c := range []*follower{client, stays, dies} {
		c.has(3)
		c.forgive() // nodes that are young tell everybody to resync
	}
	for _, n := range nodes {
		n.awaitSure()
	}
	client.moves(nodes[0])
	f.write(4, 6)
	client.hasAll(6)
	nodes[2].stop()
	stays.moves(nodes[1])
	f.write(7, 9)
	stays.hasAll(9)
	client.moves(nodes[1])
	client.hasAll(9)
	until(t, "the others to be told of the client", func() bool { return nodes[3].metric("walcast_channels_moving_told_total") > 0 })
	told := nodes[3].metric("walcast_channels_moving_told_total")
	nodes[3].signal(syscall.SIGKILL)
	dies.moves(nodes[1])
	f.write(10, 12)
	dies.hasAll(12, "broadcasts_missed") // nobody knows what was broadcast last where it was
	t.Logf("the node that was killed had told %v times what its clients had", told)
	until(t, "the node to be missed", func() bool { return nodes[1].metric("walcast_channels_moving_nodes_missing") == 1 })
	late := f.follow("new", nodes[1])
	until(t, "a client that may have been on the node to be told", func() bool { late.mu.Lock(); defer late.mu.Unlock(); return len(late.resyncs) > 0 })
}

// awaitSure waits until a node takes clients for new that no other knows.
func (n *node) awaitSure() {
	until(n.t, n.name+" to be sure who is new", func() bool { return n.metric("walcast_channels_moving_unsure") == 0 })
}

// altered has a table change while nodes follow, and one join after that.
func altered(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	way, nodes := f.cluster(1)
	client := f.follow("", nodes[1])
	f.write(1, 2)
	f.db.Exec(`alter table messages add column more text`)
	f.write(3, 4)
	late := f.start(way.node(t)...).awaitFollower()
	f.write(5, 6)
	client.hasOnce(6)
	f.db.Exec(`insert into messages (id, body, more) select n, repeat('x', 1000), 'y' from generate_series(7, 3000) n`)
	f.db.Exec(`insert into messages (id, body) values (3001, repeat('abcdefgh', 200000))`)
	client.hasOnce(3001)
	client.moves(late)
	f.write(3002, 3002)
	client.hasOnce(3002)
}
