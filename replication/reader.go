package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/replication/changelog"
	"walcast/replication/relay"
	"walcast/replication/wal"
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

	retained *retained // nil in no cluster
	follower *follower

	continuity continuity
	outcomes   outcomes
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
	return newReader(c, defaultTiming().among(c.Relay != nil), log, pool, logger, reg)
}

// newReader puts a reader of a valid config together.
func newReader(c Config, t timing, log *changelog.Log, pool *pgxpool.Pool, logger *slog.Logger, reg prometheus.Registerer) (*Reader, error) {
	tables, err := parsePublicationTables(c.CreatePublication)
	if err != nil {
		return nil, err
	}
	logger = logger.With("component", "replication", "slot", c.Slot)
	p := &progress{since: time.Now(), retention: retention{warnBytes: c.SlotWarnBytes}}
	control := &control{pool: pool, slot: c.Slot, types: &typeWatch{found: c.TypesFound}}
	optional := slices.DeleteFunc(slices.Clone(c.OptionalPublications), func(name string) bool {
		return slices.Contains(c.Publications, name)
	})
	application := applicationName(c.Slot, newInstance())
	read := publications{
		names: c.Publications, create: tables, optional: &optionalPublications{names: optional},
		skipped: new(atomic.Bool), logger: logger,
	}
	r := &Reader{
		config: c, timing: t, log: log, logger: logger, metrics: newMetrics(reg, p, log), progress: p, control: control,
		slot: &slotKeeper{
			name: c.Slot, failover: c.SlotFailover, application: application,
			control: control, timing: t.connectTiming, logger: logger,
			succession: &succession{
				slot: c.Slot, application: application, publications: read, control: control, timing: t.successionTiming,
				limit: t.query, progress: p, logger: logger, standsBy: c.StandsBy, line: line{slot: c.Slot, control: control},
			},
		},
		publications: read,
		retention: &retentionWatch{
			pool: pool, slot: c.Slot, timing: t, progress: p, logger: logger, soon: make(chan struct{}, 1),
		},
	}
	if c.Relay != nil {
		r.retained = newRetained(relay.Config{Bytes: c.RelayBytes, Window: log.Window()})
		registerRelay(reg, r.retained)
		at := pool.Config().ConnConfig
		p.host = net.JoinHostPort(at.Host, strconv.Itoa(int(at.Port))) // until a stream tells more
	}
	r.outcomes.filters.slot = c.Slot
	r.follower = newFollower(r)
	return r, nil
}

// Run creates what is missing (publication on request, slot), streams until ctx
// is done and reconnects on everything that can be retried. It returns nil when
// ctx is done, and an error with one sentence that says what to do when going
// on is pointless (wal_level, no REPLICATION attribute …). While another process has
// the slot it stands by. Once it has streamed or stood by it goes on trying for ever,
// slowly, and Status says what is wrong; it ends then only with ErrTakenOver.
func (r *Reader) Run(ctx context.Context) error {
	defer r.control.close(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	inner, stop := context.WithCancel(ctx)
	defer stop()
	defer r.follower.stop()
	watching.Go(func() { r.retention.run(inner) })
	return r.follow(ctx)
}

// TypesChanged has the reader ask the catalog again what types are, by OID, before
// it reads the next row that has any of them. It may be called at any time.
func (r *Reader) TypesChanged(types []uint32) { r.control.types.change(types) }

// AnnounceClients tells other walcasts that read the database of clients that this
// one knows, 1,000 at most. It may be called at any time.
func (r *Reader) AnnounceClients(ctx context.Context, clients []uint64) error {
	if !r.progress.mayWrite() {
		return errMayNotWrite
	}
	return r.messages().emit(ctx, clientsContent(r.config.Slot, clients))
}

// Flush has Postgres flush its WAL up to an LSN if it has not yet, by a heartbeat
// that nobody awaits. Nobody reads WAL that is not flushed, and Postgres keeps back
// what no commit waits for. A standby has only WAL that is flushed.
func (r *Reader) Flush(ctx context.Context, upTo wal.LSN) error {
	const isDue = `select case when pg_is_in_recovery() then false else pg_current_wal_flush_lsn() < $1::text::pg_lsn end`
	due, err := queryBool(ctx, r.control.pool, isDue, upTo.String())
	if err != nil || !due {
		return err
	}
	return r.messages().heartbeat(ctx, 0)
}

// messages are those of this server.
func (r *Reader) messages() ownMessages {
	return ownMessages{pool: r.control.pool, slot: r.config.Slot, limit: r.timing.query}
}

// follow attempts to stream until ctx is done or going on is pointless.
func (r *Reader) follow(ctx context.Context) error {
	for {
		began := time.Now()
		err := r.attempt(ctx)
		if ctx.Err() != nil {
			r.progress.stopped(nil, time.Now())
			r.logger.Info("replication stopped", "position", r.progress.received().String())
			return nil
		}
		f := r.faultOf(err)
		r.progress.stopped(f, time.Now())
		if f.remedy == operate && !r.outcomes.isSettled() || errors.Is(f, ErrTakenOver) {
			return f
		}
		lived := time.Since(began)
		if f.cause == causeStalled {
			lived -= stallPatience(r.timing.silence, r.outcomes.stalled) // it was silent for that at most
		}
		r.outcomes.add(f, lived > r.timing.steady)
		r.metrics.reconnects.WithLabelValues(f.cause).Inc()
		switch {
		case f.remedy == renew:
			r.continuity.replaceSlot(f.cause)
			r.publications.skipped.Store(false) // nothing of the old history is left
		case f.cause == causeReopen:
			r.publications.optional.include()
		}
		wait := r.timing.pause(f, r.outcomes.failed)
		r.logger.Warn("replication interrupted", "reason", f.cause, "err", f, "retry_in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// faultOf finds out what to do about the end of an attempt. When Postgres misses
// an optional publication, the stream is started again without it: it did not
// exist yet at the change where the stream failed, so that nothing of it is lost.
func (r *Reader) faultOf(err error) *fault {
	f := classify(err, target{slot: r.config.Slot})
	var pg *pgconn.PgError
	if f.cause == causePublication && errors.As(err, &pg) && r.publications.optional.exclude(pg.Message) {
		return &fault{remedy: retryFast, cause: causePublication, err: err}
	}
	if f.cause == causeEncoding && f.remedy == retryFast {
		if r.outcomes.untranslatable || !r.config.isASCII() {
			f.remedy = retrySlowly
		}
		r.outcomes.untranslatable = r.config.isASCII()
	}
	return f
}

// isASCII reports whether the names that a stream is started with look the same in
// every encoding.
func (c Config) isASCII() bool {
	return !strings.ContainsFunc(strings.Join(slices.Concat(c.Publications, c.OptionalPublications), ""), func(r rune) bool { return r >= utf8.RuneSelf })
}
