package channels

import (
	"context"

	"golang.org/x/sync/errgroup"

	"walcast/channels/live"
)

// tasks are what the hub does for channels by itself, long after their join.
type tasks struct {
	arming    *arming    // checks bindings
	expiry    *expiry    // checks tokens
	readers   *readers   // asks whether channels may still read private topics
	readiness *readiness // tells channels that messages from SQL arrive
	progress  *live.Tracker
	snapshots *live.Snapshots // takes those that bindings ask for; may be nil
}

// start has the group run the tasks until ctx is done.
func (t tasks) start(ctx context.Context, g *errgroup.Group) {
	for range armingWorkers {
		g.Go(func() error { return t.arming.run(ctx, g) })
	}
	for _, run := range []func(context.Context) error{
		t.arming.watch, t.expiry.run, t.readers.run, t.readers.watched.follow, t.readiness.run, t.progress.Run,
	} {
		g.Go(func() error { return run(ctx) })
	}
	if t.snapshots != nil {
		g.Go(func() error { return t.snapshots.Run(ctx) })
	}
}
