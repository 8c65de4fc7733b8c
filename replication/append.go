package replication

import (
	"context"
	"log/slog"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// appender collects the changes of one stream and appends them to the log. It
// belongs to the goroutine that reads the stream.
type appender struct {
	log      *changelog.Log
	metrics  *metrics
	progress *progress
	logger   *slog.Logger
	patience time.Duration // how long to wait for a consumer that makes no headway

	// lastTransaction is when the newest transaction with changes was appended.
	lastTransaction *atomicTime

	batch    batch
	commit   time.Time // of the newest transaction in the batch
	appended bool      // something was appended since the last awaitRoom
}

// add takes changes of the transaction that is being read.
func (a *appender) add(changes []*wal.Change) { a.batch.add(changes) }

// commitAt notes when the newest transaction was committed.
func (a *appender) commitAt(t time.Time) { a.commit = t }

// complete notes that everything that commits before end has come. It returns
// the farthest LSN of which that is known: a keepalive may name an earlier one
// than the commit that came before it.
func (a *appender) complete(end wal.LSN) wal.LSN {
	a.batch.close(end)
	return a.batch.upTo
}

// appendComplete appends the complete transactions.
func (a *appender) appendComplete() {
	changes, end := a.batch.takeComplete()
	if end == 0 {
		return
	}
	now := time.Now()
	a.log.Append(now, changes, end)
	a.appended = true
	a.metrics.count(changes)
	a.progress.read(end, a.commit)
	if len(changes) > 0 {
		a.lastTransaction.set(now)
	}
	a.commit = time.Time{}
}

// appendAll also appends the beginning of a transaction that is being read.
func (a *appender) appendAll() {
	a.appendComplete()
	if rest := a.batch.takeRest(); len(rest) > 0 {
		a.log.Append(time.Now(), rest, 0)
		a.appended = true
		a.metrics.count(rest)
	}
}

// awaitRoom waits, after something was appended, until the log has room for what
// comes next: a burst is read no faster than it is matched. Postgres keeps it
// meanwhile, and the acknowledger goes on to answer.
func (a *appender) awaitRoom(ctx context.Context) {
	if !a.appended {
		return
	}
	a.appended = false
	waited, timedOut := a.log.Await(ctx, 2*batchBytes, a.patience)
	a.metrics.held.Add(waited.Seconds())
	if timedOut {
		a.logger.Warn("the log is full of changes that are not matched, and matching makes no headway: its subscribers have to resync", "waited", waited)
	}
}
