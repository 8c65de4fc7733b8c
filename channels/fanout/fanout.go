package fanout

import (
	"context"
	"hash/maphash"
	"log/slog"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"walcast/policy"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// Fanout matches the changes of a log against subscriptions. It is safe for
// concurrent use.
type Fanout struct {
	config   Config
	log      *changelog.Log
	policy   *policy.Policy
	messages Messages
	metrics  *metrics
	shards   []*shard
	seed     maphash.Seed
	views    *views
	judge    *judge
	tasks    tasks

	complaints *complaints
	turns      chan struct{} // of catch-ups: one token for each whose turn it is
	working    working       // catch-ups that compute
}

// New returns a fanout; nothing runs before Run.
func New(c Config, log *changelog.Log, p *policy.Policy, m Messages, logger *slog.Logger, reg prometheus.Registerer) *Fanout {
	logger = logger.With("component", "fanout")
	f := &Fanout{
		config: c, log: log, policy: p, messages: m, complaints: &complaints{logger: logger},
		seed: maphash.MakeSeed(), turns: make(chan struct{}, catchUpsAtOnce), working: newWorking(),
	}
	f.views, f.judge = newViews(f), newJudge(f)
	f.metrics = newMetrics(reg, f)
	n := c.Shards
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for i := range n {
		f.shards = append(f.shards, newShard(f, i == 0))
	}
	return f
}

// Run runs the lanes, the catch-ups and the judge. It blocks until ctx is done and
// everything it started has returned. policy.Run must be running, too.
func (f *Fanout) Run(ctx context.Context) error {
	f.tasks.open(ctx)
	defer f.tasks.close()
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range f.shards {
		g.Go(func() error { return s.direct.run(ctx) })
		g.Go(func() error { return s.secured.run(ctx) })
	}
	for range judges {
		g.Go(func() error { return f.judge.run(ctx) })
	}
	return g.Wait()
}

// Reached is the position up to which every lane has delivered the log, but for
// what waits to be decided.
func (f *Fanout) Reached() (least wal.Position) {
	for i, s := range f.shards {
		for j, l := range []*lane{s.direct, s.secured} {
			at := f.log.Reach(l.progress()).Position
			if i+j == 0 || at.Compare(least) < 0 {
				least = at
			}
		}
	}
	return least
}

// shardOf spreads topics, not subscriptions: who gets identical bytes meets on
// one shard, where the frame is built once.
func (f *Fanout) shardOf(topicName string) *shard {
	return f.shards[maphash.String(f.seed, topicName)%uint64(len(f.shards))]
}
