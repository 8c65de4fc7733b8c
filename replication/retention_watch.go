package replication

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/replication/wal"
)

// sampleQuery asks where the server's WAL ends and how much of it is retained for
// slot $1. The timeline is told only where it is that of our stream: if process
// $2 sends it, on a primary.
const sampleQuery = `
	select end_lsn::text, coalesce(s.restart_lsn, '0/0')::text,
		coalesce(greatest(pg_wal_lsn_diff(end_lsn, s.restart_lsn), 0), 0)::bigint,
		pg_size_bytes(current_setting('max_slot_wal_keep_size')), coalesce(s.wal_status, ''),
		case when s.active_pid = $2 and not pg_is_in_recovery()
			then ('x' || left(pg_walfile_name(end_lsn), 8))::bit(32)::int else 0 end
	from (select ` + walEnd + ` as end_lsn) w left join pg_replication_slots s on s.slot_name = $1`

// retentionWatch asks the server regularly where its WAL ends and how much of it
// it retains for the slot, also while nothing streams: then it is that the slot
// retains more and more. run belongs to one goroutine; started and stopped may be
// called by another.
type retentionWatch struct {
	pool     *pgxpool.Pool
	slot     string
	timing   timing
	progress *progress
	logger   *slog.Logger

	walsender atomic.Int32  // pid of the server's process that streams to us, 0 if none does
	soon      chan struct{} // a stream has begun: sample now
}

// started notes that a stream has begun, and by which process of the server.
func (w *retentionWatch) started(walsender int32) {
	w.walsender.Store(walsender)
	select {
	case w.soon <- struct{}{}:
	default: // asked already
	}
}

// stopped notes that the stream has ended.
func (w *retentionWatch) stopped() { w.walsender.Store(0) }

// run samples over the pool until ctx is done.
func (w *retentionWatch) run(ctx context.Context) {
	wait := w.timing.sample
	for {
		if w.sample(ctx) == nil {
			wait = w.timing.sample
		} else { // the server is away, or does not let us in
			wait = min(2*wait, max(w.timing.slowMost, w.timing.sample))
		}
		select {
		case <-ctx.Done():
			return
		case <-w.soon:
		case <-time.After(wait):
		}
	}
}

// sample measures the lag and what the slot retains. Without an answer the last
// one stands; the next attempt to stream tells why there is none.
func (w *retentionWatch) sample(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.timing.query)
	defer cancel()
	at := time.Now()
	var s slotSample
	var end, restart string
	err := w.pool.QueryRow(ctx, sampleQuery, w.slot, w.walsender.Load()).
		Scan(&end, &restart, &s.bytes, &s.limit, &s.status, &s.timeline)
	if err != nil {
		return err
	}
	if s.end, err = wal.ParseLSN(end); err != nil {
		return err
	}
	if s.restart, err = wal.ParseLSN(restart); err != nil {
		return err
	}
	w.report(w.progress.sampled(s, at))
	return nil
}

// report logs what is retained once for each crossing of a threshold.
func (w *retentionWatch) report(before, after int) {
	if before == after {
		return
	}
	has := w.progress.retained()
	limit, name := has.limit()
	log := w.logger.With("retained_bytes", has.last.bytes, "retained_for", has.age(time.Now()).Round(time.Second),
		"percent", has.percent(), "limit", name, "limit_bytes", limit, "wal_status", has.last.status)
	switch {
	case after < before:
		log.Info("slot keeps less WAL again", "below_percent", crossings[after])
	case name == "slot-warn-size":
		log.Warn("slot keeps much WAL on the disk of Postgres: mend what keeps walcast from reading, or drop the slot",
			"above_percent", crossings[after-1], "drop", "SELECT pg_drop_replication_slot("+quoteLiteral(w.slot)+")")
	default:
		log.Warn("slot keeps much WAL and is lost at the limit, after which subscribers have to resync: mend what keeps walcast from reading, or raise the limit",
			"above_percent", crossings[after-1])
	}
}
