package channels

import (
	"context"
	"sync"
	"time"

	"walcast/replication/catalog"
)

// absentees are the channels that wait for a table to be published, each with
// the name that was missing.
type absentees struct {
	mu      sync.Mutex
	waiting map[*channel]tableName
}

// publishedEvery is how often the catalog is asked for tables that channels wait
// for, while there are such channels. Their rows do not wait for it.
const publishedEvery = 10 * time.Second

func (a *absentees) add(ch *channel, missing *binding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[*channel]tableName{}
	}
	a.waiting[ch] = tableName{missing.spec.Schema, missing.spec.Table}
}

func (a *absentees) drop(ch *channel) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, ch)
}

// any forgets those that have ended, and reports whether others are left.
func (a *absentees) any() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for ch := range a.waiting {
		if ch.ended.Load() {
			delete(a.waiting, ch)
		}
	}
	return len(a.waiting) > 0
}

// found returns the channels whose table is among the published.
func (a *absentees) found(published []catalog.TableName) map[*channel]tableName {
	names := map[tableName]bool{}
	for _, n := range published {
		for _, name := range []tableName{{n.Schema, n.Table}, {n.Schema, "*"}, {"*", n.Table}, {"*", "*"}} {
			names[name] = true
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	found := map[*channel]tableName{}
	for ch, name := range a.waiting {
		if names[name] {
			found[ch] = name
		}
	}
	return found
}

// watch has channels checked again whose table is published by now, until ctx
// is done.
func (a *arming) watch(ctx context.Context) error {
	ticker := time.NewTicker(publishedEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if a.absentees.any() {
			a.look(ctx)
		}
	}
}

// look asks which tables are published now.
func (a *arming) look(ctx context.Context) {
	published, err := a.tables.catalog.PublishedNames(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.hub.logger.Warn("published tables not known", "err", err, "retry_in", publishedEvery)
		}
		return
	}
	for ch, name := range a.absentees.found(published) {
		a.recheck(ch, name)
	}
}

// recheck has a channel checked whose missing table has come.
func (a *arming) recheck(ch *channel, name tableName) {
	a.absentees.drop(ch)
	a.tables.forget(name)
	a.check(ch)
}

// idle makes all bindings of the channel wait for the table of one, or none.
func (c *channel) idle(missing *binding) {
	place := c.lockPlace()
	if place == nil {
		return
	}
	defer place.mu.Unlock()
	c.absent = nil
	if missing != nil {
		c.absent = missing.spec
	}
}

// active reports whether a change that a binding matches may go to the channel.
// One of the table that was missing shows that it is published: nothing waits
// from then on. Called with the place's lock held.
func (c *channel) active(b *binding) bool {
	if c.absent == nil {
		return true
	}
	if c.absent != b.spec {
		return false
	}
	missing := tableName{c.absent.Schema, c.absent.Table}
	c.absent = nil
	c.session.hub.arming.recheck(c, missing)
	return true
}
