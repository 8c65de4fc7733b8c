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
	asking  *pgxpool.Pool // see AskOver; nil means pool
	log     *slog.Logger
	metrics *metrics
	raised  raised
	now     func() time.Time

	generation atomic.Uint64
}

// AskOver has code of users (policies, with the functions that they call) run
// over another pool than the one that the catalog is read over. Code that runs as a
// subject can get back the rights of the session's user, for example by "reset
// role". That user should therefore have no rights of its own beyond membership in
// the roles that tokens name, and row-level security should apply to it. AskOver
// must be called before the policy is used.
//
// The server has no setting for it: the role that it is meant to connect as has no such
// rights either, see "The role that serves" in docs/operations.md.
func (pg *postgres) AskOver(pool *pgxpool.Pool) { pg.asking = pool }

// askPool returns the pool over which code of users runs.
func (pg *postgres) askPool() *pgxpool.Pool {
	if pg.asking != nil {
		return pg.asking
	}
	return pg.pool
}

// askingUser returns the user of AskOver's pool, or "" without AskOver.
func (pg *postgres) askingUser() string {
	if pg.asking == nil {
		return ""
	}
	return pg.asking.Config().ConnConfig.User
}

// Generation returns the present generation.
func (pg *postgres) Generation() Generation { return Generation(pg.generation.Load()) }
