package policy

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Policy answers questions of visibility. It is safe for concurrent use.
type Policy struct {
	config   Config
	pool     *pgxpool.Pool
	asking   *pgxpool.Pool // see AskOver; nil is pool
	log      *slog.Logger
	metrics  *metrics
	subjects subjects
	tables   tables
	raised   raised
	watch    watch
	now      func() time.Time

	generation atomic.Uint64
}

// New returns a policy that asks over pool, whose user must be a member of the
// roles that tokens name. It starts no goroutine; Run has it notice changes early.
func New(pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) *Policy {
	return NewWithConfig(DefaultConfig(), pool, logger, reg)
}

// NewWithConfig is New with other limits than the default ones.
func NewWithConfig(c Config, pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) *Policy {
	p := &Policy{config: c, pool: pool, log: logger.With("component", "policy"), now: time.Now}
	p.subjects.held = map[subjectKey]*holding{}
	p.tables.known = map[tableKey]*table{}
	p.watch.wake, p.watch.registered = make(chan struct{}, 1), map[dependency]*int64{}
	p.raised.told = map[string]time.Time{}
	p.metrics = newMetrics(reg, p)
	return p
}

// AskOver has code of users (policies, with the functions that they call) run
// over another pool than the one that the catalog is read over. What runs as a
// subject can take back the rights of the user that the session began with, as
// "reset role" does; so that user should have none itself, but be a member of
// the roles that tokens name and that row-level security applies to. It is to be
// called before the policy is used.
func (p *Policy) AskOver(pool *pgxpool.Pool) { p.asking = pool }

func (p *Policy) askPool() *pgxpool.Pool {
	if p.asking != nil {
		return p.asking
	}
	return p.pool
}

// asker is the user of AskOver, "" for that of pool.
func (p *Policy) asker() string {
	if p.asking == nil {
		return ""
	}
	return p.asking.Config().ConnConfig.User
}
