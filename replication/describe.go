package replication

import (
	"context"
	"fmt"
	"time"

	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// describer looks relations up in the catalog for the decoder. If that fails,
// the stream is started again rather than going on: without its types a table's
// numbers would be sent to clients as text. Nothing is lost by it, and row-level
// security cannot be judged without the catalog anyway. It belongs to the
// goroutine that reads.
type describer struct {
	control *control
	types   *typeWatch
	limit   time.Duration // of one query, and until a commit is seen
	asking  *atomicTime   // since when the catalog is asked, none while it is not
	seen    uint32        // the newest transaction that was found to be seen
	failed  error         // why the catalog could not be asked, if that happened
}

// The pauses between two looks whether a commit is seen.
const (
	unseenFirst = time.Millisecond
	unseenMost  = 50 * time.Millisecond
)

// awaitCommit waits until other sessions see what a transaction did. Postgres sends
// a commit as soon as it is flushed, and shows it a moment later, or much later if
// it waits for a synchronous standby. Until then the catalog has the table as it
// was before: without its new types and key, and without the policies that the
// transaction gave it, by which its rows are judged. Such changes come with a
// Relation message, so waiting there is enough.
func (d *describer) awaitCommit(ctx context.Context, xid uint32) error {
	if xid == d.seen {
		return nil
	}
	began := time.Now()
	for pause := unseenFirst; ; pause = min(2*pause, unseenMost) {
		var seen bool
		err := d.ask(ctx, func(ctx context.Context, c catalog.Catalog) (err error) {
			seen, err = c.Sees(ctx, xid)
			return err
		})
		switch {
		case err != nil:
			return err
		case seen:
			d.seen = xid
			return nil
		case time.Since(began) >= d.limit:
			return &fault{
				remedy: retryFast, cause: causeUnseen,
				advice: fmt.Sprintf("Postgres has committed transaction %d but does not show it yet: if it waits for a synchronous standby, bring that back or change synchronous_standby_names", xid),
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// describe is the describe of pgoutput.NewDecoder.
func (d *describer) describe(ctx context.Context, relation uint32, types []uint32) (found wal.Description, err error) {
	err = d.ask(ctx, func(ctx context.Context, c catalog.Catalog) (err error) {
		found, err = c.Describe(ctx, relation, types)
		return err
	})
	if err != nil {
		d.failed = err // and stays so: one message may have several relations described
		return wal.Description{}, err
	}
	d.types.described(found.Types)
	return found, nil
}

// ask runs f with the catalog, and again on a new connection if the first was lost.
func (d *describer) ask(ctx context.Context, f func(context.Context, catalog.Catalog) error) (err error) {
	d.asking.set(time.Now())
	defer d.asking.clear()
	for range 2 {
		limited, cancel := context.WithTimeout(ctx, d.limit)
		err = d.control.use(limited, func(db querier) error { return f(limited, catalog.New(db, nil)) })
		cancel()
		if err == nil {
			return nil
		}
	}
	return &fault{remedy: retryFast, cause: causeControl, err: err}
}
