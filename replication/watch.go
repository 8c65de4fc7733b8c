package replication

import (
	"context"
	"time"

	"walcast/replication/wal"
)

// sampleQuery asks where the server's WAL ends and how much of it is kept. The
// timeline is told where it is that of our stream: where process $2 sends it,
// on a primary.
const sampleQuery = `
	select end_lsn::text, coalesce(s.restart_lsn, '0/0')::text,
		coalesce(greatest(pg_wal_lsn_diff(end_lsn, s.restart_lsn), 0), 0)::bigint,
		pg_size_bytes(current_setting('max_slot_wal_keep_size')), coalesce(s.wal_status, ''),
		case when s.active_pid = $2 and not pg_is_in_recovery()
			then ('x' || left(pg_walfile_name(end_lsn), 8))::bit(32)::int else 0 end
	from (select ` + walEnd + ` as end_lsn) w left join pg_replication_slots s on s.slot_name = $1`

// watch looks at the server's WAL over the pool, until ctx is done. It does so
// also while nothing streams: then it is that the slot keeps more and more.
func (r *Reader) watch(ctx context.Context) {
	wait := r.timing.sample
	for {
		if r.sample(ctx) == nil {
			wait = r.timing.sample
		} else { // the server is away, or does not let us in
			wait = min(2*wait, max(r.timing.slowMost, r.timing.sample))
		}
		select {
		case <-ctx.Done():
			return
		case <-r.look:
		case <-time.After(wait):
		}
	}
}

// sample measures the lag and what the slot keeps. Without an answer the last
// one stands; whoever streams will tell why there is none.
func (r *Reader) sample(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timing.query)
	defer cancel()
	at := time.Now()
	var k kept
	var end, restart string
	err := r.pool.QueryRow(ctx, sampleQuery, r.config.Slot, r.sender.Load()).
		Scan(&end, &restart, &k.bytes, &k.most, &k.status, &k.timeline)
	if err != nil {
		return err
	}
	if k.end, err = wal.ParseLSN(end); err != nil {
		return err
	}
	if k.restart, err = wal.ParseLSN(restart); err != nil {
		return err
	}
	r.tellRetention(r.progress.sampled(k, at))
	return nil
}

// tellRetention logs what is kept once for each crossing of a threshold.
func (r *Reader) tellRetention(before, after int) {
	if before == after {
		return
	}
	has := r.progress.retained()
	limit, name := has.limit()
	log := r.logger.With("retained_bytes", has.last.bytes, "retained_for", has.age(time.Now()).Round(time.Second),
		"percent", has.percent(), "limit", name, "limit_bytes", limit, "wal_status", has.last.status)
	switch {
	case after < before:
		log.Info("slot keeps less WAL again", "below_percent", crossings[after])
	case name == "slot-warn-size":
		log.Warn("slot keeps much WAL on the disk of Postgres: mend what keeps walcast from reading, or drop the slot",
			"above_percent", crossings[after-1], "drop", "SELECT pg_drop_replication_slot("+quoteLiteral(r.config.Slot)+")")
	default:
		log.Warn("slot keeps much WAL and is lost at the limit, after which subscribers have to resync: mend what keeps walcast from reading, or raise the limit",
			"above_percent", crossings[after-1])
	}
}
