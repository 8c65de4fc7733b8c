package diagnose

import (
	"context"
	"strings"
	"sync"
	"time"

	"walcast/replication/catalog"
)

// schemaCache remembers for a moment which schemas a role may use. It asks for all
// schemas at once, so that the time of an answer does not depend on the schema that a
// client named.
type schemaCache struct {
	catalog catalog.Catalog
	roles   *cache[string, *roleSchemas]
}

type roleSchemas struct {
	mu     sync.Mutex // held while the catalog is asked, as other callers wait for the same answer
	usable map[string]bool
	asked  time.Time
}

// rolesBytes bounds the memory for the roles that tokens name.
const rolesBytes = 4 << 20

func newSchemaCache(c catalog.Catalog) *schemaCache {
	return &schemaCache{catalog: c, roles: newCache[string, *roleSchemas](rolesBytes, tablesAge)}
}

// usable reports whether a role may use a schema, as it was at most age ago.
// There need not be a role or a schema of the name.
func (s *schemaCache) usable(ctx context.Context, role, schema string, age time.Duration) (bool, error) {
	r := s.role(role)
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.asked) >= age {
		usable, err := s.catalog.UsableSchemas(ctx, role)
		if err != nil {
			return false, err
		}
		r.usable, r.asked = usable, time.Now()
		s.roles.put(strings.Clone(role), r, r.size(role), r.asked)
	}
	return r.usable[schema], nil
}

// size returns about how much memory an entry takes, in bytes.
func (r *roleSchemas) size(role string) int {
	const perSchema = 50
	size := len(role)
	for name := range r.usable {
		size += perSchema + len(name)
	}
	return size
}

// role returns the entry of a role, which it makes if there is none.
func (s *schemaCache) role(name string) *roleSchemas {
	now := time.Now()
	if r, known := s.roles.get(name, now); known {
		return r
	}
	r := &roleSchemas{} // if two are made at once, one of them is asked about in vain
	s.roles.put(strings.Clone(name), r, len(name), now)
	return r
}
