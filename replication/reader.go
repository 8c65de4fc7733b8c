package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/replication/changelog"
)

// Reader follows the slot and appends what it reads to the log.
type Reader struct {
	config       Config
	log          *changelog.Log
	pool         *pgxpool.Pool
	logger       *slog.Logger
	metrics      *metrics
	timing       timing
	application  string // application_name of our replication connections
	publications publications
	control      control
	progress     progress
	sender       atomic.Int32  // the server's process that streams, 0 if none does
	look         chan struct{} // a stream has begun: look at the server's WAL now

	// These belong to the goroutine in Run.
	site     site
	optional optional
	reading  []string // the publications of this attempt
	lineage  lineage
	begun    bool   // the log has a history
	renew    string // code of the resync if the slot has to be made anew, else ""
	owed     string // code of the resync that the next Begin tells, else ""
	streamed bool   // it has worked once
	stalls   int    // streams in a row that ended for silence
}

// NewReader checks the config; it does no I/O. pool needs at least two
// connections: the reader keeps one for itself.
func NewReader(c Config, log *changelog.Log, pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) (*Reader, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if most := pool.Config().MaxConns; most < 2 {
		return nil, fmt.Errorf("pool-size: want at least 2, got %d", most)
	}
	tables, err := parsePublicationTables(c.CreatePublication)
	if err != nil {
		return nil, err
	}
	logger = logger.With("component", "replication", "slot", c.Slot)
	r := &Reader{
		config: c, log: log, pool: pool, logger: logger, timing: defaultTiming(),
		application:  applicationName(c.Slot, newInstance()),
		publications: publications{names: c.Publications, create: tables, log: logger},
		control:      control{pool: pool, slot: c.Slot},
		look:         make(chan struct{}, 1),
		progress:     progress{since: time.Now(), retention: retention{warn: c.SlotWarnBytes}},
	}
	r.optional.names = slices.DeleteFunc(slices.Clone(c.OptionalPublications), func(name string) bool {
		return slices.Contains(c.Publications, name)
	})
	r.metrics = newMetrics(reg, &r.progress, log)
	return r, nil
}

// Run creates what is missing (publication on request, slot), streams until ctx
// is done and reconnects on everything that can be retried. It returns nil when
// ctx is done, and an error with one sentence that says what to do when going
// on is pointless (wal_level, no REPLICATION attribute, slot held by pid …).
// Once it has streamed it does not give up any more: it goes on trying slowly,
// and Status says what is wrong.
func (r *Reader) Run(ctx context.Context) error {
	defer r.control.close(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	watching.Go(func() { r.watch(inner) })
	return r.follow(ctx)
}

// follow attempts to stream until ctx is done or going on is pointless.
func (r *Reader) follow(ctx context.Context) error {
	failures := 0
	for {
		began := time.Now()
		err := r.attempt(ctx)
		if ctx.Err() != nil {
			r.progress.stopped("", time.Now())
			r.logger.Info("replication stopped", "position", r.progress.received().String())
			return nil
		}
		f := r.diagnose(err)
		if f.remedy == operate && !r.streamed {
			r.progress.stopped(f.Error(), time.Now())
			return f
		}
		if time.Since(began) > r.timing.steady {
			failures = 0
		}
		failures++
		r.interrupted(f)
		wait := r.timing.pause(f.remedy, failures)
		r.logger.Warn("replication interrupted", "reason", f.cause, "err", f, "retry_in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// diagnose finds out what to do about an error. An optional publication that
// Postgres misses is no loss: what it would have sent is not older than itself.
func (r *Reader) diagnose(err error) *fault {
	f := diagnose(err, r.site)
	var pg *pgconn.PgError
	if f.cause == causePublication && errors.As(err, &pg) && r.optional.blame(pg.Message) {
		return &fault{remedy: retryFast, cause: causePublication, err: err}
	}
	return f
}

// interrupted takes note of why streaming ended or did not begin.
func (r *Reader) interrupted(f *fault) {
	r.progress.stopped(f.Error(), time.Now())
	r.metrics.reconnects.WithLabelValues(f.cause).Inc()
	r.stalls++
	if f.cause != causeStalled {
		r.stalls = 0
	}
	if f.remedy == renew {
		r.renew = changelog.CodeSlotLost
		if f.cause == causePublication {
			r.renew = changelog.CodePublication
		}
	}
}
