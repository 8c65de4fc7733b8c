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
	version      int      // server_version_num
	pool         *pgxpool.Pool
	mayWrite     func() bool // the server takes marks: it is no standby
	timing       publicationTiming
	progress     *progress
	logger       *slog.Logger

	checked time.Time             // the last look
	unread  []string              // those that it has found and that the stream does not read
	marked  time.Time             // when a mark was last written
	why     atomic.Pointer[fault] // the stream is to begin anew; nil if it is not
}

// publicationTiming is for the looks at publications.
type publicationTiming struct {
	every time.Duration // between two looks
	mark  time.Duration // for a mark to come back, until another one is written
	query time.Duration // for one statement
}

// anew says why the stream is to begin anew, nil if it is not: there is a publication
// that it should read too and does not, or one is back whose changes are lost.
func (w *publicationWatch) anew() error {
	if f := w.why.Load(); f != nil {
		return f
	}
	return nil
}

// passes takes in that changes are passed over as a publication is missing. It reports
// whether the stream may go on: others are left, and who has lost changes will be told
// when it is back.
func (w *publicationWatch) passes() bool {
	if len(w.publications.names) == 1 || w.version < survivableVersion {
		return false
	}
	w.publications.skipped.Store(true)
	return true
}

// isUnread reports whether a publication is to be read once it is there, and is not
// read by the stream.
func (w *publicationWatch) isUnread(name string) bool {
	return slices.Contains(w.publications.optional.names, name) && !slices.Contains(w.reading, name)
}

// arrived takes in that a publication is there, as its mark has come.
func (w *publicationWatch) arrived() { w.why.Store(errReopen) }

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
	if now.Sub(w.checked) < w.timing.every/2 { // the caller's ticks may be a little early
		return
	}
	w.checked = now
	ctx, cancel := context.WithTimeout(ctx, w.timing.query)
	defer cancel()
	missing, err := w.publications.missing(ctx, w.pool)
	if err != nil {
		return // the stream itself ends if the server is in trouble
	}
	w.look(ctx, now)
	if len(missing) == 0 {
		w.progress.publications(nil)
		if w.publications.skipped.Load() {
			w.why.Store(errBack)
		}
		return
	}
	f := publicationMissing(missing, w.publications.create)
	f.others = w.publications.survive(missing, w.version)
	if w.progress.publications(f) {
		w.logger.Error("publication is missing: its changes are being lost", "publications", missing, "err", f)
	}
}

// look looks for optional publications that are not read. The mark of one that was
// just made is on its way; where none comes by the next look it writes one.
func (w *publicationWatch) look(ctx context.Context, now time.Time) {
	optional := w.publications.optional
	existing, err := optional.existing(ctx, w.pool)
	if err != nil {
		return
	}
	before := append(w.unread, optional.excluded...)
	w.unread = nil
	for _, name := range existing {
		if slices.Contains(w.reading, name) {
			continue
		}
		w.unread = append(w.unread, name)
		if slices.Contains(before, name) {
			w.begin(ctx, name, now)
		}
	}
}

// begin has the stream read a publication from a mark on. A standby takes none: the
// stream begins anew where it is then, and elsewhere after a restart.
func (w *publicationWatch) begin(ctx context.Context, name string, now time.Time) {
	switch {
	case !w.mayWrite():
		w.why.Store(errReopen)
		return
	case now.Sub(w.marked) <= w.timing.mark:
		return
	}
	w.marked = now
	w.logger.Warn("publication is not read yet: it is from the next mark in the WAL on, and what it was sent before is not", "publication", name)
	if err := mark(ctx, w.pool, name); err != nil && ctx.Err() == nil { // else an earlier mark came meanwhile
		w.logger.Warn("publication is not read", "err", err)
	}
}
