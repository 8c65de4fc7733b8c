package policy

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// postgres is the way to the database, with what all who take it have in common:
// limits, what is counted and logged of the answers, and the generation.
type postgres struct {
	config  Config
	joining *joining // connections for what clients ask when they join
	pool    *pgxpool.Pool
	asking  *pgxpool.Pool // see AskOver; nil is pool
	log     *slog.Logger
	metrics *metrics
	raised  raised
	now     func() time.Time

	generation atomic.Uint64
}

// AskOver has code of users (policies, with the functions that they call) run
// over another pool than the one that the catalog is read over. What runs as a
// subject can take back the rights of the user that the session began with, as
// "reset role" does; so that user should have none itself, but be a member of
// the roles that tokens name and that row-level security applies to. It is to be
// called before the policy is used.
func (pg *postgres) AskOver(pool *pgxpool.Pool) { pg.asking = pool }

func (pg *postgres) askPool() *pgxpool.Pool {
	if pg.asking != nil {
		return pg.asking
	}
	return pg.pool
}

// askingUser is the user of AskOver, "" for that of pool.
func (pg *postgres) askingUser() string {
	if pg.asking == nil {
		return ""
	}
	return pg.asking.Config().ConnConfig.User
}

// Generation is the present one.
func (pg *postgres) Generation() Generation { return Generation(pg.generation.Load()) }
