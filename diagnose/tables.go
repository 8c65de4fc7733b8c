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
	mu    sync.Mutex // held while the catalog is asked: others wait for its answer
	found published
	asked time.Time
}

// published is which tables a name has, or why none.
type published struct {
	relations []*wal.Relation
	absence   catalog.Absence
}

// tablesKept bounds the distinct names, as clients choose them.
const tablesKept = 1024

func newTableCache(c catalog.Catalog) *tableCache {
	return &tableCache{catalog: c, entries: map[catalog.TableName]*tableEntry{}}
}

// published returns an answer that is younger than age.
func (t *tableCache) published(ctx context.Context, name catalog.TableName, age time.Duration) (published, error) {
	e := t.entry(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.asked) < age {
		return e.found, nil
	}
	relations, err := t.catalog.Published(ctx, name.Schema, name.Table)
	if err != nil {
		return published{}, err
	}
	found := published{relations: keepShapes(e.found.relations, relations)}
	if len(relations) == 0 {
		if found.absence, err = t.catalog.Absent(ctx, name.Schema, name.Table); err != nil {
			return published{}, err
		}
	}
	e.found, e.asked = found, time.Now()
	return found, nil
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
