package takeover

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// earlierCommit is the version that is upgraded from: one whose messages between nodes have
// the layouts of today. Whoever changes one gives it another number, and says in
// docs/cluster.md what becomes of an upgrade; then this is a commit after that.
const earlierCommit = "5af09dfb062e22d9c789cfd2df1aabe30321ce94"

// rowEvery is the time between two rows of a load.
const rowEvery = 5 * time.Millisecond

// versionFlag has the program call itself a version.
func versionFlag(version string) []string {
	return append([]string{"-ldflags=-X main.version=" + version}, raceFlag...)
}

// load writes rows all the time.
type load struct {
	field   *field
	writing sync.WaitGroup
	end     context.CancelFunc

	mu   sync.Mutex
	last int
}

func (f *field) load() *load {
	ctx, end := context.WithCancel(f.t.Context())
	l := &load{field: f, end: end}
	l.writing.Go(func() {
		for id := 1; program.Wait(ctx, rowEvery); id++ {
			if _, err := f.db.Pool.Exec(context.WithoutCancel(ctx), `insert into messages values ($1, 'x')`, id); err != nil {
				f.t.Errorf("write row %d: %v", id, err)
				return
			}
			l.mu.Lock()
			l.last = id
			l.mu.Unlock()
		}
	})
	f.t.Cleanup(func() { l.stop() })
	return l
}

// written is the newest row.
func (l *load) written() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// stop ends the load, and returns its last row.
func (l *load) stop() int {
	l.end()
	l.writing.Wait()
	return l.written()
}

// TestRollingUpgrade has the nodes of an earlier version be replaced one by one, at their
// addresses and with their state, while rows are written and clients follow them on all
// nodes.
func TestRollingUpgrade(t *testing.T) {
	before, earlier := program.BuildRevision(t, earlierCommit, versionFlag("before")...)
	t.Logf("upgraded from an earlier version: %v", earlier)
	f := newField(t, before, devdb.Open(t))
	way := newBus(t)
	var settings [][]string
	var nodes []*node
	for range 3 {
		args := way.node(t)
		n := f.start(args...)
		if len(nodes) == 0 {
			n.awaitReader()
		} else {
			n.awaitFollower()
		}
		settings, nodes = append(settings, args), append(nodes, n)
	}
	for _, n := range nodes {
		n.awaitSure()
	}
	var byPosition, byID []*follower
	for i := range nodes {
		order := slices.Concat(nodes[i:], nodes[:i]) // the first of them has the client
		byPosition = append(byPosition, f.follow("", order...))
		byID = append(byID, f.follow(fmt.Sprintf("client-%d", i), order...))
	}
	everybody := slices.Concat(byPosition, byID)
	writes := f.load()

	f.binary = program.Build(t, versionFlag("after")...)
	for i, old := range nodes {
		upgradeOne(t, f, old, settings[i], everybody)
		for _, c := range everybody {
			c.has(writes.written())
		}
		awaitVersions(t, f.living(), i+1, 2-i)
	}
	last := writes.stop()
	for _, c := range byPosition {
		c.hasOnce(last)
	}
	for _, c := range byID {
		c.hasAll(last)
	}
	for _, n := range f.nodes {
		if n.log.Find("newer version") != 0 || !n.Ended() && n.metric("walcast_cluster_unreadable_messages_total") != 0 {
			t.Errorf("%s got messages of another node that it could not read", n.name)
		}
	}
}

// upgradeOne stops a node, and starts the new version with its settings; the clients learn
// where it is.
func upgradeOne(t *testing.T, f *field, old *node, settings []string, clients []*follower) {
	t.Helper()
	old.stop()
	n := f.start(settings...)
	until(t, n.name+" to be ready", func() bool { n.mustLive(); return n.ready().Ready })
	for _, c := range clients {
		c.mu.Lock()
		c.nodes = append(slices.DeleteFunc(slices.Clone(c.nodes), func(n *node) bool { return n == old }), n)
		c.mu.Unlock()
	}
	n.awaitSure()
}

// living are the nodes that run.
func (f *field) living() []*node {
	return slices.DeleteFunc(slices.Clone(f.nodes), func(n *node) bool { return n.Ended() })
}

// awaitVersions waits until each node tells so many nodes of the new version and of the
// one before.
func awaitVersions(t *testing.T, nodes []*node, after, before int) {
	t.Helper()
	for _, n := range nodes {
		until(t, fmt.Sprintf("%s to tell %d new and %d old nodes", n.name, after, before), func() bool {
			count := map[string]int{}
			for _, m := range n.cluster() {
				count[m.Version]++
			}
			return count["after"] == after && count["before"] == before
		})
	}
}
