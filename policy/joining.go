package policy

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// reserved is how many connections of the pool are not for joins. One is for the
// reader of the WAL, and one for asking about rows and for checking rights to
// private topics again, which must not wait for joins.
const reserved = 2

// joining limits how many connections joins and sends of clients may use at once, so
// that some are always left for asking about rows.
type joining chan struct{}

func newJoining(pool *pgxpool.Pool) joining {
	if pool == nil {
		return make(joining, 1)
	}
	return make(joining, max(1, int(pool.Config().MaxConns)-reserved))
}

// Join waits until one more connection may be used for a join, or ctx is done. The
// caller must call done, use one connection at a time, and until then call neither
// MayRead nor MayWrite, which call Join themselves.
func (pg *postgres) Join(ctx context.Context) (done func(), err error) {
	select {
	case pg.joining <- struct{}{}:
		return func() { <-pg.joining }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
