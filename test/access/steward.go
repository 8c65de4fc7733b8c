package access

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// ledger notes which transactions wrote when. It is safe for concurrent use.
type ledger struct {
	mu      sync.Mutex
	commits map[uint32]*commit // by transaction id
}

func newLedger() *ledger { return &ledger{commits: map[uint32]*commit{}} }

// commit commits a transaction and notes the moments around it.
func (l *ledger) commit(ctx context.Context, tx pgx.Tx, change int) (*commit, error) {
	var xid uint32
	if err := tx.QueryRow(ctx, "select pg_current_xact_id()::xid::text::bigint").Scan(&xid); err != nil {
		return nil, err
	}
	c := &commit{XID: xid, Before: time.Now().UnixNano(), Change: change}
	err := tx.Commit(ctx)
	c.After = time.Now().UnixNano()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits[xid] = c
	return c, nil
}

// steward changes access, one change after the other.
type steward struct {
	world   *world
	db      *pgx.Conn
	ledger  *ledger
	pause   time.Duration // between two changes, on average
	random  *rand.Rand    // of the pauses: how many there are depends on time
	history history
	refused map[string]int // changes that Postgres refused, by their kind
}

// work goes on until ctx is done.
func (s *steward) work(ctx context.Context) error {
	for program.Wait(ctx, time.Duration(s.random.Int64N(int64(2*s.pause)))) {
		if err := s.change(context.WithoutCancel(ctx), s.world.draw()); err != nil {
			return err
		}
	}
	return nil
}

// change makes one change. What Postgres refuses, such as a field that is not
// there, has not happened; an error means that the harness does not work.
func (s *steward) change(ctx context.Context, c change) error {
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return fmt.Errorf("change access: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	k := len(s.history)
	for _, statement := range append(c.Rows, c.Rules...) {
		if _, err := tx.Exec(ctx, statement); err != nil {
			s.refused[c.Label+": "+err.Error()]++
			return ctx.Err()
		}
	}
	if _, err := tx.Exec(ctx, "insert into public.journal values ($1)", k); err != nil {
		return fmt.Errorf("note a change of access: %w", err)
	}
	made, err := s.ledger.commit(ctx, tx, k)
	if err != nil {
		return fmt.Errorf("commit a change of access: %w", err)
	}
	c.XID, c.Before, c.After = made.XID, made.Before, made.After
	c.applied()
	c.closed = s.world.closed
	s.history = append(s.history, c)
	return nil
}
