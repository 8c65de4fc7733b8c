package replication

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// publicationWatch looks from time to time, while a stream runs, whether the
// publications that it reads are still there, and whether there is an optional
// one more to read. check belongs to one goroutine; the others may be called at
// once.
type publicationWatch struct {
	publications publications
	reading      []string // those that the stream was asked for
	pool         *pgxpool.Pool
	slot         string
	every        time.Duration // between two looks
	queryLimit   time.Duration
	progress     *progress
	logger       *slog.Logger

	checked time.Time // the last look
	more    atomic.Bool
}

// foundMore reports whether there is a publication that the stream should read
// too and does not.
func (w *publicationWatch) foundMore() bool { return w.more.Load() }

// isOptional reports whether a message of the server names an optional
// publication.
func (w *publicationWatch) isOptional(message string) bool {
	_, ok := w.publications.optional.named(message)
	return ok
}

// check looks at the publications if the last look was long enough ago. A missing
// one is logged before a change needs it.
func (w *publicationWatch) check(ctx context.Context) {
	now := time.Now()
	if now.Sub(w.checked) < w.every {
		return
	}
	w.checked = now
	ctx, cancel := context.WithTimeout(ctx, w.queryLimit)
	defer cancel()
	missing, err := w.publications.missing(ctx, w.pool)
	if err != nil {
		return // the stream itself ends if the server is in trouble
	}
	found, err := w.publications.optional.readable(ctx, w.pool, w.slot)
	if err == nil && slices.ContainsFunc(found, func(name string) bool { return !slices.Contains(w.reading, name) }) {
		w.more.Store(true)
	}
	if len(missing) == 0 {
		w.progress.warn("")
		return
	}
	f := publicationMissing(missing, w.publications.create)
	w.progress.warn(f.Error())
	w.logger.Error("publication is missing: its changes are being lost", "publications", missing, "err", f)
}
