package policy

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// reserved is how many connections of the pool are not for joins: one for the reader,
// and one to decide who may see rows and to ask again who may read private topics,
// which must not wait for those who join them.
const reserved = 2

// joining is the connections that may be in use at once for what clients ask when
// they join and send. However many they are, one is left that decides who may see
// rows.
type joining chan struct{}

func newJoining(pool *pgxpool.Pool) joining {
	if pool == nil {
		return make(joining, 1)
	}
	return make(joining, max(1, int(pool.Config().MaxConns)-reserved))
}

// Join waits until one more connection may be used for a join, or ctx is done.
// Whoever has it uses one connection at a time, asks neither MayRead nor MayWrite,
// which wait by themselves, and calls done.
func (pg *postgres) Join(ctx context.Context) (done func(), err error) {
	select {
	case pg.joining <- struct{}{}:
		return func() { <-pg.joining }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
