package diagnose

import (
	"context"
	"sync"
	"time"

	"walcast/replication/catalog"
)

// schemaCache remembers for a moment which schemas a role may use. All of them
// are asked for at once: which one a client named does not show in how long an
// answer takes.
type schemaCache struct {
	catalog catalog.Catalog

	mu    sync.Mutex
	roles map[string]*roleSchemas
}

type roleSchemas struct {
	mu     sync.Mutex // held while the catalog is asked: others wait for its answer
	usable map[string]bool
	asked  time.Time
}

// rolesKept bounds the roles, as tokens name them.
const rolesKept = 256

func newSchemaCache(c catalog.Catalog) *schemaCache {
	return &schemaCache{catalog: c, roles: map[string]*roleSchemas{}}
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
	}
	return r.usable[schema], nil
}

func (s *schemaCache) role(name string) *roleSchemas {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.roles[name]
	if r == nil {
		if len(s.roles) >= rolesKept {
			clear(s.roles)
		}
		r = &roleSchemas{}
		s.roles[name] = r
	}
	return r
}
