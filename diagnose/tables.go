package diagnose

import (
	"context"
	"sync"
	"time"

	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// tableCache remembers for a moment which tables are published under a name, so
// that ten thousand equal joins ask the database once.
type tableCache struct {
	catalog catalog.Catalog

	mu      sync.Mutex
	entries map[catalog.TableName]*tableEntry
}

type tableEntry struct {
	mu        sync.Mutex      // held while the catalog is asked: others wait for its answer
	relations []*wal.Relation // published under the name
	asked     time.Time
	absence   catalog.Absence // why there are none
	explained time.Time       // when that was asked
}

// tablesKept bounds the distinct names, as clients choose them.
const tablesKept = 1024

func newTableCache(c catalog.Catalog) *tableCache {
	return &tableCache{catalog: c, entries: map[catalog.TableName]*tableEntry{}}
}

// published returns the tables that are published under a name, as they were at
// most age ago.
func (t *tableCache) published(ctx context.Context, name catalog.TableName, age time.Duration) ([]*wal.Relation, error) {
	e := t.entry(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.asked) < age {
		return e.relations, nil
	}
	relations, err := t.catalog.Published(ctx, name.Schema, name.Table)
	if err != nil {
		return nil, err
	}
	e.relations, e.asked = keepShapes(e.relations, relations), time.Now()
	return e.relations, nil
}

// absent says why no table is published under a name, as it was at most age ago.
func (t *tableCache) absent(ctx context.Context, name catalog.TableName, age time.Duration) (catalog.Absence, error) {
	e := t.entry(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.explained) < age {
		return e.absence, nil
	}
	absence, err := t.catalog.Absent(ctx, name.Schema, name.Table)
	if err != nil {
		return catalog.Absence{}, err
	}
	e.absence, e.explained = absence, time.Now()
	return absence, nil
}

// forget has the catalog asked anew about a name.
func (t *tableCache) forget(name catalog.TableName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, name)
}

func (t *tableCache) entry(name catalog.TableName) *tableEntry {
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
func keepShapes(old, fresh []*wal.Relation) []*wal.Relation {
	for i, rel := range fresh {
		for _, o := range old {
			if o.SameShape(rel) {
				fresh[i] = o
			}
		}
	}
	return fresh
}
