package takeover

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"walcast/internal/devdb"
)

// cutFromBus has a follower lose the other nodes, and find them again.
func cutFromBus(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	way := newBus(t)
	a := f.reader(way.node(t)...)
	cable := networkTo(t, way.first)
	b := f.start("--cluster-listen", freeAddress(t), "--cluster-peers", fmt.Sprintf("127.0.0.1:%d", cable.port()), "--cluster-secret", clusterSecret,
		"--state-dir", t.TempDir(), "--ready-lag", "2s").awaitFollower()
	roams, stays := f.follow("", b, a), f.stay("", b)
	f.write(1, 3)
	roams.hasOnce(3)
	stays.hasOnce(3)
	began := time.Now()
	cable.set(true)
	f.write(4, 6)
	until(t, "the follower to say that it is cut off", func() bool {
		r := b.ready()
		return r.Code == http.StatusServiceUnavailable && r.Role == "follower" && strings.Contains(r.Reason, "cut off")
	})
	t.Logf("the follower is not ready %s after the cut", time.Since(began).Round(time.Millisecond))
	roams.hasOnce(6) // elsewhere
	until(t, "the client that stays to be closed", func() bool { stays.mu.Lock(); defer stays.mu.Unlock(); return slices.Equal(stays.closes, []int{1012}) })
	cable.set(false)
	b.awaitFollower()
	f.write(7, 8)
	stays.hasOnce(8)
	roams.hasOnce(8)
	a.awaitReader()
}

// readerCutOff has the reader lose Postgres and not the other nodes.
func readerCutOff(t *testing.T, binary string) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	f, way := newField(t, binary, db), newBus(t)
	cable := newNetwork(t, db)
	near := strings.Replace(db.DSN, fmt.Sprintf(":%d/", db.Server.Port), fmt.Sprintf(":%d/", cable.port()), 1)
	a := f.reader(way.node(t, "--database-url", near)...)
	b := f.start(way.node(t)...).awaitFollower()
	c := f.start(way.node(t)...).awaitFollower()
	onB, onC := f.stay("", b), f.stay("", c)
	f.write(1, 3)
	onB.hasOnce(3)
	onC.hasOnce(3)
	began := time.Now()
	cable.set(true)
	f.write(4, 5)
	onB.hasOnce(5)
	onC.hasOnce(5)
	t.Logf("rows flow again %s after the cut", time.Since(began).Round(time.Millisecond))
	cable.set(false)
	a.awaitFollower()
	f.write(6, 7)
	onB.hasOnce(7)
	onC.hasOnce(7)
}

// elsewhere has the nodes use a NATS server that there is, which restarts.
func elsewhere(t *testing.T, binary string) {
	f := newField(t, binary, devdb.Open(t))
	address := freeAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	start := func() *server.Server {
		options := &server.Options{Host: host, NoSigs: true, Username: "walcast", Password: clusterSecret}
		if _, err := fmt.Sscan(port, &options.Port); err != nil {
			t.Fatal(err)
		}
		s, err := server.NewServer(options)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		if !s.ReadyForConnections(patience) {
			t.Fatal("NATS does not listen")
		}
		return s
	}
	bus := start()
	args := func() []string {
		return []string{"--nats-url", "nats://walcast:" + clusterSecret + "@" + address, "--state-dir", t.TempDir()}
	}
	a := f.reader(args()...)
	b := f.start(args()...).awaitFollower()
	onB := f.stay("", b)
	f.write(1, 3)
	onB.hasOnce(3)
	awaitCluster(t, map[*node]string{a: "reader", b: "follower"})
	bus.Shutdown()
	bus.WaitForShutdown()
	f.write(4, 5)
	bus = start()
	defer func() { bus.Shutdown(); bus.WaitForShutdown() }()
	onB.hasOnce(5)
	a.stop()
	f.write(6, 7)
	onB.hasOnce(7)
	for _, n := range f.nodes {
		if n.log.Find(clusterSecret) != 0 {
			t.Errorf("%s has logged the password", n.name)
		}
	}
}
