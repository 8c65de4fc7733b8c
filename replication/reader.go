package replication

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Config says what the reader reads. Package defaults come from DefaultConfig.
type Config struct {
	DatabaseURL       string
	Slot              string   // ^[a-z0-9_]{1,63}$
	Publications      []string // at least one
	CreatePublication string   // "", "none", "all-tables" or a comma separated list of tables
	StatusInterval    time.Duration
	Heartbeat         time.Duration // idle time after which a transactional message is emitted; 0 is never
}

// Reader follows the slot and appends what it reads to the log.
type Reader struct{}

// NewReader checks the config; it does no I/O.
func NewReader(c Config, log *Log, pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) (*Reader, error) {
	panic("contract")
}

// Run creates what is missing (publication on request, slot), streams until ctx
// is done and reconnects on everything that can be retried. It returns nil when
// ctx is done, and an error with one sentence that says what to do when going
// on is pointless (wal_level, no REPLICATION attribute, slot held by pid …).
func (r *Reader) Run(ctx context.Context) error { panic("contract") }

// Status is safe to call at any time.
func (r *Reader) Status() Status { panic("contract") }

// Status is what /readyz reports.
type Status struct {
	Streaming  bool          `json:"streaming"`
	Received   LSN           `json:"-"`
	Confirmed  LSN           `json:"-"`
	LagBytes   int64         `json:"lag_bytes"`   // WAL written by Postgres and not yet received
	LagSeconds float64       `json:"lag_seconds"` // age of the oldest commit not yet received, 0 when caught up
	Since      time.Time     `json:"since"`       // start of the present state
	Error      string        `json:"error,omitempty"`
	_          time.Duration `json:"-"`
}
