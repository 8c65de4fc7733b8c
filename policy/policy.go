package policy

import (
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Policy decides who may see what. It is safe for concurrent use.
type Policy struct {
	*postgres // the way to the database; the generation
	*subjects // the roles and claims that channels act as
	*tables   // what is known of relations: views, verdicts
	*keeper   // what was known of relations, over restarts
	*asker    // asks Postgres about rows
	*watch    // looks for changes of the catalog
	*private  // asks Postgres about private topics
}

// New returns a policy that asks over pool, whose user must be a member of the
// roles that tokens name. New starts no goroutine; the policy notices changes of the
// catalog early only while Run runs.
func New(c Config, pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) *Policy {
	pg := &postgres{config: c, pool: pool, joining: newJoining(pool), log: logger.With("component", "policy"), now: time.Now}
	pg.raised.logged = map[string]time.Time{}
	p := &Policy{postgres: pg, keeper: newKeeper(pg)}
	p.tables = &tables{pg: pg, keeper: p.keeper, known: map[tableKey]*table{}}
	p.subjects = &subjects{tables: p.tables, held: map[subjectKey]*holding{}}
	p.asker = &asker{pg: pg, tables: p.tables}
	p.watch = &watch{pg: pg, tables: p.tables, keeper: p.keeper, wake: make(chan struct{}, 1), registered: map[dependency]*int64{}}
	p.tables.looks = p.watch
	p.private = &private{pg: pg, watch: p.watch}
	pg.metrics = newMetrics(reg, p)
	return p
}
