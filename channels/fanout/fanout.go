package fanout

import (
	"context"
	"hash/maphash"
	"log/slog"

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
	asker    *asker
	catchUps catchUpLimits
	viewers  *viewers
	kept     *keptViews
	background
}

// background is what goes on beside the lanes, and what is logged of it.
type background struct {
	tasks      tasks
	complaints *complaints
}

// New returns a fanout; nothing runs before Run.
func New(c Config, log *changelog.Log, p *policy.Policy, m Messages, logger *slog.Logger, reg prometheus.Registerer) *Fanout {
	f := newFanout(c, log, p, m, logger, reg)
	f.addShards(shardCount())
	return f
}

func newFanout(c Config, log *changelog.Log, p *policy.Policy, m Messages, logger *slog.Logger, reg prometheus.Registerer) *Fanout {
	logger = logger.With("component", "fanout")
	f := &Fanout{
		config: c, log: log, policy: p, messages: m, background: background{complaints: &complaints{logger: logger}},
		seed: maphash.MakeSeed(), catchUps: newCatchUpLimits(c.Heavy),
	}
	f.views, f.asker, f.viewers = newViews(f), newAsker(f), newViewers(f)
	f.kept = newKeptViews(log, c.Keys)
	f.metrics = newMetrics(reg, f)
	return f
}

// Run runs the lanes, the catch-ups and the asker. It blocks until ctx is done
// and everything it started has returned. policy.Run must be running, too.
func (f *Fanout) Run(ctx context.Context) error {
	f.tasks.open(ctx)
	defer f.tasks.close()
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range f.shards {
		g.Go(func() error { return s.direct.run(ctx) })
		g.Go(func() error { return s.secured.run(ctx) })
	}
	g.Go(func() error { return f.viewers.run(ctx) })
	g.Go(func() error { return f.viewers.follow(ctx) })
	g.Go(func() error { return f.kept.run(ctx) })
	for range roundsAtOnce {
		g.Go(func() error { return f.asker.run(ctx) })
	}
	return g.Wait()
}

// Reached is the position up to which every lane has delivered the log. Changes
// that Postgres has still to decide may wait behind it.
func (f *Fanout) Reached() (least wal.Position) {
	for i, s := range f.shards {
		for j, l := range []*lane{s.direct, s.secured} {
			at := f.log.Reach(l.delivery.sentUpTo()).Position
			if i+j == 0 || at.Compare(least) < 0 {
				least = at
			}
		}
	}
	return least
}
