package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/replication/changelog"
)

// Reader follows the slot and appends what it reads to the log.
type Reader struct {
	config       Config
	timing       timing
	log          *changelog.Log
	logger       *slog.Logger
	metrics      *metrics
	progress     *progress // what other goroutines may ask for
	control      *control
	slot         *slotKeeper
	publications publications
	retention    *retentionWatch

	continuity continuity
	failures   failures
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
	return newReader(c, defaultTiming(), log, pool, logger, reg)
}

// newReader puts a reader of a valid config together.
func newReader(c Config, t timing, log *changelog.Log, pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) (*Reader, error) {
	tables, err := parsePublicationTables(c.CreatePublication)
	if err != nil {
		return nil, err
	}
	logger = logger.With("component", "replication", "slot", c.Slot)
	p := &progress{since: time.Now(), retention: retention{warnBytes: c.SlotWarnBytes}}
	control := &control{pool: pool, slot: c.Slot}
	optional := slices.DeleteFunc(slices.Clone(c.OptionalPublications), func(name string) bool {
		return slices.Contains(c.Publications, name)
	})
	return &Reader{
		config: c, timing: t, log: log, logger: logger, metrics: newMetrics(reg, p, log), progress: p, control: control,
		slot: &slotKeeper{
			name: c.Slot, failover: c.SlotFailover, application: applicationName(c.Slot, newInstance()),
			control: control, timing: t, logger: logger,
		},
		publications: publications{
			names: c.Publications, create: tables, optional: &optionalPublications{names: optional}, logger: logger,
		},
		retention: &retentionWatch{
			pool: pool, slot: c.Slot, timing: t, progress: p, logger: logger, soon: make(chan struct{}, 1),
		},
	}, nil
}

// Run creates what is missing (publication on request, slot), streams until ctx
// is done and reconnects on everything that can be retried. It returns nil when
// ctx is done, and an error with one sentence that says what to do when going
// on is pointless (wal_level, no REPLICATION attribute, slot held by pid …).
// Once it has streamed it goes on trying for ever, slowly, and Status says what
// is wrong.
func (r *Reader) Run(ctx context.Context) error {
	defer r.control.close(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	watching.Go(func() { r.retention.run(inner) })
	return r.follow(ctx)
}

// follow attempts to stream until ctx is done or going on is pointless.
func (r *Reader) follow(ctx context.Context) error {
	for {
		began := time.Now()
		err := r.attempt(ctx)
		if ctx.Err() != nil {
			r.progress.stopped("", time.Now())
			r.logger.Info("replication stopped", "position", r.progress.received().String())
			return nil
		}
		f := r.judge(err)
		r.progress.stopped(f.Error(), time.Now())
		if f.remedy == operate && !r.failures.streamed {
			return f
		}
		r.failures.add(f, time.Since(began) > r.timing.steady)
		r.metrics.reconnects.WithLabelValues(f.cause).Inc()
		if f.remedy == renew {
			r.continuity.replaceSlot(f.cause)
		}
		wait := r.timing.pause(f.remedy, r.failures.inARow)
		r.logger.Warn("replication interrupted", "reason", f.cause, "err", f, "retry_in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// judge finds out what to do about the end of an attempt. An optional
// publication that Postgres misses is no loss: what it would have sent is not
// older than itself.
func (r *Reader) judge(err error) *fault {
	f := diagnose(err, target{slot: r.config.Slot})
	var pg *pgconn.PgError
	if f.cause == causePublication && errors.As(err, &pg) && r.publications.optional.exclude(pg.Message) {
		return &fault{remedy: retryFast, cause: causePublication, err: err}
	}
	return f
}

// failures is how the attempts to stream ended so far.
type failures struct {
	streamed bool // at least one attempt has streamed
	inARow   int  // attempts that failed since a stream lived long enough
	stalls   int  // streams in a row that ended for the server's silence
}

// add takes in how an attempt ended. wasSteady says that it lived long enough
// to begin with short pauses anew.
func (fs *failures) add(f *fault, wasSteady bool) {
	if wasSteady {
		fs.inARow = 0
	}
	fs.inARow++
	fs.stalls++
	if f.cause != causeStalled {
		fs.stalls = 0
	}
}
