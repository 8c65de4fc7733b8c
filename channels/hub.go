package channels

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"walcast/auth"
	"walcast/policy"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
)

// Hub owns the topics of a project and the shards that match changes. It is
// safe for concurrent use.
type Hub struct {
	config   Config
	log      *changelog.Log
	policy   *policy.Policy
	verifier *auth.Verifier
	logger   *slog.Logger
	metrics  *metrics
	arming   *arming
	expiry   *expiry
	beat     *beat
	members  atomic.Uint64 // the last presence.ChannelID given
	shards   []*shard
	seed     maphash.Seed

	mu     sync.Mutex // guards topics; taken before a topic's own
	topics map[topicKey]*topic

	catchups catchups
	recent   recent

	complaints rate.Sometimes // about messages from SQL

	clients *clients
	pasts   *pasts
}

// shard matches the changes for its share of the topics. Bindings whose
// visibility is asked of Postgres live in a lane of their own, so that the
// others never wait for an answer.
type shard struct {
	direct, asked *lane
}

// NewHub returns a hub; nothing runs before Run. tables answers which tables
// are published when a binding is checked.
func NewHub(c Config, log *changelog.Log, tables catalog.Catalog, p *policy.Policy, v *auth.Verifier, logger *slog.Logger, reg prometheus.Registerer) *Hub {
	h := &Hub{
		config: c, log: log, policy: p, verifier: v,
		logger:     logger.With("component", "channels"),
		metrics:    newMetrics(reg),
		expiry:     newExpiry(),
		beat:       newBeat(randomSeed()),
		seed:       maphash.MakeSeed(),
		topics:     map[topicKey]*topic{},
		complaints: rate.Sometimes{First: 10, Interval: time.Second},
		pasts:      newPasts(log.Window(), c.ResumeClients, now()),
	}
	h.clients = newClients(c, log, h.pasts)
	h.arming = newArming(h, tables)
	n := c.Shards
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for range n {
		asked := newLane(h, nil)
		s := &shard{asked: asked, direct: newLane(h, asked)}
		s.direct.relaysFor = func(topicName string) bool { return h.shardOf(topicName) == s }
		h.shards = append(h.shards, s)
	}
	return h
}

// Restore reads what an earlier run has left about its clients. It must be
// called, if at all, before the first Open.
func (h *Hub) Restore() { h.clients.restore(now(), h.logger) }

// Run runs the shards, the checks of bindings and the expiry of tokens. It
// blocks until ctx is done and everything it started has returned. Sessions must
// be closed by then, or what they have received goes unsaved.
func (h *Hub) Run(ctx context.Context) error {
	defer func() { h.clients.save(now(), h.logger) }()
	h.catchups.open(ctx)
	defer h.catchups.close()
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range h.shards {
		g.Go(func() error { return s.direct.run(ctx) })
		g.Go(func() error { return s.asked.run(ctx) })
	}
	for range armingWorkers {
		g.Go(func() error { return h.arming.run(ctx) })
	}
	g.Go(func() error { return h.arming.watch(ctx) })
	g.Go(func() error { return h.expiry.run(ctx) })
	g.Go(func() error { return h.beat.run(ctx) })
	return g.Wait()
}

// randomSeed makes presence refs of two processes differ. crypto/rand does not
// fail on the systems Go runs on; it ends the program if it does.
func randomSeed() (seed [12]byte) {
	_, _ = rand.Read(seed[:])
	return seed
}

// shardOf spreads topics, not channels: who gets identical bytes meets on one
// shard, where the frame is built once.
func (h *Hub) shardOf(topicName string) *shard {
	return h.shards[maphash.String(h.seed, topicName)%uint64(len(h.shards))]
}
