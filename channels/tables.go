package channels

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
	catalog  catalog.Catalog
	believed time.Duration // how old an answer may be

	mu      sync.Mutex
	entries map[tableName]*tableEntry
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

const (
	// tablesBelieved is how old may be what a join is checked against: who has
	// cured a problem joins again at once.
	tablesBelieved = 2 * time.Second
	tablesKept     = 1024 // distinct names; clients choose them, so they are bounded
)

func newTableCache(c catalog.Catalog) *tableCache {
	return &tableCache{catalog: c, believed: tablesBelieved, entries: map[tableName]*tableEntry{}}
}

func (t *tableCache) published(ctx context.Context, schema, table string) (published, error) {
	e := t.entry(tableName{schema, table})
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.asked) < t.believed {
		return e.found, nil
	}
	relations, err := t.catalog.Published(ctx, schema, table)
	if err != nil {
		return published{}, err
	}
	now := published{relations: keepShapes(e.found.relations, relations)}
	if len(relations) == 0 {
		if now.absence, err = t.catalog.Absent(ctx, schema, table); err != nil {
			return published{}, err
		}
	}
	e.found, e.asked = now, time.Now()
	return now, nil
}

// forget has the catalog asked anew about a name.
func (t *tableCache) forget(name tableName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, name)
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
