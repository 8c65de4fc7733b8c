package channels

import (
	"context"
	"sync"
	"time"

	"walcast/replication"
)

// tableCache remembers for a moment which tables are published under a name, so
// that ten thousand equal joins ask the database once.
type tableCache struct {
	catalog replication.Catalog

	mu      sync.Mutex
	entries map[tableName]*tableEntry
}

type tableEntry struct {
	mu        sync.Mutex // held while the catalog is asked: others wait for its answer
	relations []*replication.Relation
	asked     time.Time
}

const (
	tablesBelieved = 2 * time.Second
	tablesKept     = 1024 // distinct names; clients choose them, so they are bounded
)

func newTableCache(c replication.Catalog) *tableCache {
	return &tableCache{catalog: c, entries: map[tableName]*tableEntry{}}
}

func (t *tableCache) published(ctx context.Context, schema, table string) ([]*replication.Relation, error) {
	e := t.entry(tableName{schema, table})
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.asked) < tablesBelieved {
		return e.relations, nil
	}
	relations, err := t.catalog.Published(ctx, schema, table)
	if err != nil {
		return nil, err
	}
	e.relations, e.asked = keepShapes(e.relations, relations), time.Now()
	return e.relations, nil
}

func (t *tableCache) entry(name tableName) *tableEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[name]
	if e == nil {
		if len(t.entries) >= tablesKept {
			clear(t.entries)
		}
		e = &tableEntry{}
		t.entries[name] = e
	}
	return e
}

// keepShapes returns the new relations, with the old value where nothing
// changed, as others cache by it.
func keepShapes(old, fresh []*replication.Relation) []*replication.Relation {
	for i, rel := range fresh {
		for _, o := range old {
			if o.SameShape(rel) {
				fresh[i] = o
			}
		}
	}
	return fresh
}
