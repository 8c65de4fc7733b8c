package diagnose

import (
	"context"
	"strings"
	"sync"
	"time"

	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// tableCache remembers for a moment which tables are published under a name, so
// that ten thousand equal joins ask the database once.
type tableCache struct {
	catalog catalog.Catalog
	names   *cache[catalog.TableName, *tableEntry]
	missing missingPublications
}

// missingPublications is which of the publications there are none of.
type missingPublications struct {
	mu    sync.Mutex // held while the catalog is asked, as other callers wait for the same answer
	names []string
	asked time.Time
}

type tableEntry struct {
	mu        sync.Mutex      // held while the catalog is asked, as other callers wait for the same answer
	relations []*wal.Relation // published under the name
	partly    map[uint32]catalog.Publishes
	shapes    map[uint32]catalog.Shape // of relations, as far as somebody needed them
	keys      map[uint32][]string      // the same
	lost      map[uint32]catalog.LostKey
	asked     time.Time
	absence   catalog.Absence // why there are no relations
	explained time.Time       // when absence was asked for
}

// Bounds of the answers for names, which clients choose. An answer is used for a
// moment only, but its Relations are kept for longer: as long as a table has not
// changed, its Relation stays the same pointer, by which policy caches.
const (
	tablesBytes = 16 << 20
	tablesAge   = time.Minute
)

func newTableCache(c catalog.Catalog) *tableCache {
	return &tableCache{catalog: c, names: newCache[catalog.TableName, *tableEntry](tablesBytes, tablesAge)}
}

// published returns the tables that are published under a name, as they were at
// most age ago.
// partly are those of which not all changes are published.
func (t *tableCache) published(ctx context.Context, name catalog.TableName, age time.Duration) (all []*wal.Relation, partly map[uint32]catalog.Publishes, err error) {
	e := t.entry(name)
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.asked) < age {
		return e.relations, e.partly, nil
	}
	relations, err := t.catalog.Published(ctx, name.Schema, name.Table)
	if err == nil && len(relations) > 0 {
		partly, err = t.catalog.Publishes(ctx, name.Schema, name.Table)
	}
	if err != nil {
		return nil, nil, err
	}
	e.partly, e.shapes, e.keys, e.lost = partly, nil, nil, nil
	e.relations, e.asked = keepShapes(e.relations, relations), time.Now()
	t.names.put(cloned(name), e, sizeOf(name, e.relations), e.asked)
	return e.relations, e.partly, nil
}

// shape returns the shape of a table that is published under a name, as it was at
// most age ago.
func (t *tableCache) shape(ctx context.Context, name catalog.TableName, relation uint32, age time.Duration) (catalog.Shape, error) {
	e := t.entry(name)
	return recall(ctx, e, &e.shapes, relation, age, t.catalog.Shape)
}

// key returns the columns that tell the rows of a table apart that is published under
// a name, as it was at most age ago.
func (t *tableCache) key(ctx context.Context, name catalog.TableName, relation uint32, age time.Duration) ([]string, error) {
	e := t.entry(name)
	return recall(ctx, e, &e.keys, relation, age, t.catalog.Key)
}

// lostKey says whether changes of a table tell which row they are of that is published
// under a name, as it was at most age ago.
func (t *tableCache) lostKey(ctx context.Context, name catalog.TableName, relation uint32, age time.Duration) (catalog.LostKey, error) {
	e := t.entry(name)
	return recall(ctx, e, &e.lost, relation, age, t.catalog.LostKey)
}

// recall returns what an entry remembers of one of its relations, as it was at most age
// ago, or has it read.
func recall[T any](ctx context.Context, e *tableEntry, known *map[uint32]T, relation uint32, age time.Duration, read func(context.Context, uint32) (T, error)) (T, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if of, has := (*known)[relation]; has && time.Since(e.asked) < age {
		return of, nil
	}
	of, err := read(ctx, relation)
	if err != nil {
		var none T
		return none, err
	}
	if *known == nil {
		*known = map[uint32]T{}
	}
	(*known)[relation] = of
	return of, nil
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

// missingNames returns which publications were missing at most age ago.
func (t *tableCache) missingNames(ctx context.Context, age time.Duration) ([]string, error) {
	m := &t.missing
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.asked) < age {
		return m.names, nil
	}
	names, err := t.catalog.MissingPublications(ctx)
	if err != nil {
		return nil, err
	}
	m.names, m.asked = names, time.Now()
	return names, nil
}

// forget has the catalog asked again about a name.
func (t *tableCache) forget(name catalog.TableName) { t.names.remove(name) }

func (t *tableCache) entry(name catalog.TableName) *tableEntry {
	now := time.Now()
	if e, known := t.names.get(name, now); known {
		return e
	}
	e := &tableEntry{} // of two that are made at once one is asked about for nothing
	t.names.put(cloned(name), e, sizeOf(name, nil), now)
	return e
}

// cloned is the name with memory of its own: it is a part of a join's payload.
func cloned(name catalog.TableName) catalog.TableName {
	return catalog.TableName{Schema: strings.Clone(name.Schema), Table: strings.Clone(name.Table)}
}

// sizeOf is about what an entry holds in memory, in bytes.
func sizeOf(name catalog.TableName, relations []*wal.Relation) int {
	const perRelation, perColumn = 200, 150
	size := len(name.Schema) + len(name.Table)
	for _, rel := range relations {
		size += perRelation + len(rel.Schema) + len(rel.Table)
		for i := range rel.Columns {
			size += perColumn + len(rel.Columns[i].Name)
		}
	}
	return size
}

// keepShapes returns the new relations, but the old pointer for each relation that has
// not changed, as policy caches by it.
func keepShapes(old, fresh []*wal.Relation) []*wal.Relation {
	byOID := make(map[uint32]*wal.Relation, len(old))
	for _, o := range old {
		byOID[o.OID] = o
	}
	for i, rel := range fresh {
		if o := byOID[rel.OID]; o != nil && o.SameShape(rel) {
			fresh[i] = o
		}
	}
	return fresh
}
