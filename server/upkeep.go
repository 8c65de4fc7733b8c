package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/migrations"
)

const (
	// upkeepInterval is how often partitions are looked after; they are made
	// for days ahead, so that a few misses do no harm.
	upkeepInterval = 4 * time.Hour
	// upkeepRetry is the pause after a look that failed.
	upkeepRetry = time.Minute
	// upkeepLimit bounds one look after them.
	upkeepLimit = time.Minute
	// upkeepAgain is the time after which a failure that goes on is logged again.
	upkeepAgain = time.Hour
)

// upkeep keeps the partitions of realtime.messages ahead. run belongs to one
// goroutine.
type upkeep struct {
	pool     *pgxpool.Pool
	logger   *slog.Logger
	failures prometheus.Counter
	stands   func() bool // this process stands by: the one that has the slot does the work

	cause string    // why the last look failed, "" if it did not
	told  time.Time // when that was logged
}

func newUpkeep(pool *pgxpool.Pool, stands func() bool, logger *slog.Logger, registry prometheus.Registerer) *upkeep {
	u := &upkeep{pool: pool, logger: logger, stands: stands, failures: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "walcast_migrations_upkeep_failures_total",
		Help: "Looks after the partitions of realtime.messages that failed, for want of a grant say; one is made a minute later.",
	})}
	registry.MustRegister(u.failures)
	return u
}

// run looks after the partitions until ctx is done.
func (u *upkeep) run(ctx context.Context) error {
	for {
		wait := upkeepRetry
		if !u.stands() {
			wait = u.once(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// once looks after the partitions, and returns when to do so again.
func (u *upkeep) once(ctx context.Context) (wait time.Duration) {
	done, err := u.look(ctx)
	switch {
	case err == nil:
		u.succeeded()
		u.tell(done)
	case ctx.Err() == nil:
		u.failed(err, time.Now())
		return upkeepRetry
	}
	return upkeepInterval
}

func (u *upkeep) look(ctx context.Context) (migrations.Upkeep, error) {
	ctx, cancel := context.WithTimeout(ctx, upkeepLimit)
	defer cancel()
	conn, err := u.pool.Acquire(ctx)
	if err != nil {
		return migrations.Upkeep{}, err
	}
	defer conn.Release()
	return migrations.Maintain(ctx, conn.Conn(), time.Now())
}

// failed logs a failure whose cause is new, or that was not logged for an hour: a
// right that is missing is missing every minute.
func (u *upkeep) failed(err error, now time.Time) {
	u.failures.Inc()
	cause := oneLine(err)
	if cause == u.cause && now.Sub(u.told) < upkeepAgain {
		return
	}
	u.cause, u.told = cause, now
	u.logger.Warn("partitions of realtime.messages not looked after", "err", cause, "retry_in", upkeepRetry)
}

func (u *upkeep) succeeded() {
	if u.cause != "" {
		u.logger.Info("partitions of realtime.messages are looked after again")
	}
	u.cause = ""
}

// tell logs what was done.
func (u *upkeep) tell(done migrations.Upkeep) {
	if len(done.Created)+len(done.Dropped) > 0 {
		u.logger.Info("partitions of realtime.messages kept up", "created", done.Created, "dropped", done.Dropped)
	}
	if len(done.Refused) > 0 {
		u.logger.Warn("partitions of realtime.messages not made", "partitions", done.Refused,
			"remedy", `the role of database-url has to be a member of the owner of realtime.messages: as that owner, run "walcast migrate --grant-to ROLE"`)
	}
	if len(done.Occupied)+len(done.Busy) > 0 {
		u.logger.Warn("partitions of realtime.messages not kept up", "occupied", done.Occupied, "busy", done.Busy)
	}
}
