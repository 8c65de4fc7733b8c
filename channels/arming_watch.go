package channels

import (
	"context"
	"time"

	"walcast/replication/catalog"
)

// watch looks, until ctx is done, for what has happened to bindings since they were
// checked.
func (a *arming) watch(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		feed := a.feed()
		soon := a.armed.feed(feed, now())
		if feed.outage() == databaseAway {
			if soon {
				continue // there would be no answer, and channels are to be told in time
			}
			for _, c := range a.turns.late(now()) {
				a.away(c)
			}
		}
		a.lookOut(ctx, n, feed)
	}
}

// lookOut asks the database what is due at the n-th tick.
func (a *arming) lookOut(ctx context.Context, n int, feed Feed) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	if n%changedEvery == 0 {
		a.lookAgain(ctx)
	}
	// Channels that wait for a table of a missing publication are told once changes come.
	if n%publishedEvery == 0 && feed.outage() != publicationMissing && a.waiting.any() {
		a.look(ctx)
	}
}

// lookAgain asks whether something has changed that armed channels depend on, and has
// these looked at again. While the database does not answer nothing is found out, and
// feed tells.
func (a *arming) lookAgain(ctx context.Context) {
	tables, any := a.armed.wanted()
	if !any {
		return
	}
	began := time.Now()
	found, err := a.checker.Prints(ctx, tables)
	if err != nil {
		return
	}
	if again := a.armed.compare(found, began); len(again) > 0 {
		a.turns.addLater(again)
	}
}

// look asks which tables are published now.
func (a *arming) look(ctx context.Context) {
	published, err := a.checker.Published(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.logger.Warn("published tables not known", "err", err, "retry_in", publishedEvery*watchEvery)
		}
		return
	}
	for ch, name := range a.waiting.found(published) {
		a.recheck(ch, name)
	}
}

// recheck has a channel checked again whose missing table is published by now.
func (a *arming) recheck(ch *channel, name catalog.TableName) {
	a.waiting.remove(ch)
	a.checker.Forget(name.Schema, name.Table)
	if _, isArmed := a.armed.has(ch); isArmed {
		a.armed.doubt(ch)
		return
	}
	a.check(ch)
}
