package hostile

import (
	"context"
	"time"
)

// foreignLogicalMessages writes large messages to the WAL that are for some other
// program. Rows behind one wait until Postgres has sent it.
type foreignLogicalMessages struct{}

func (foreignLogicalMessages) world() []string { return nil }

func (foreignLogicalMessages) run(ctx context.Context, a *attacker) error {
	return a.writing(ctx, 4*time.Second, `select pg_logical_emit_message($1, 'some other program', repeat('x', 50000000))`, false)
}
