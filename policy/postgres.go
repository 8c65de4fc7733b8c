package policy

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is the way to the database, and what all users of it share: limits,
// metrics, the log and the generation.
type postgres struct {
	config  Config
	joining *joining // limits the connections in use for joins
	pool    *pgxpool.Pool
	log     *slog.Logger
	metrics *metrics
	raised  raised
	now     func() time.Time

	generation atomic.Uint64
}

// Generation returns the present generation.
func (pg *postgres) Generation() Generation { return Generation(pg.generation.Load()) }
