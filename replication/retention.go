package replication

import (
	"time"

	"walcast/replication/wal"
)

// crossings are the parts of the limit, in percent, at which it is logged how
// much WAL Postgres retains for the slot.
var crossings = []int{50, 80}

// slotSample is what the server tells at one moment of the WAL that it retains
// for the slot.
type slotSample struct {
	end     wal.LSN // of all WAL
	restart wal.LSN // where the retained WAL begins, 0 if there is no slot or it is lost
	bytes   int64   // from restart to end
	limit   int64   // max_slot_wal_keep_size in bytes, negative is unlimited
	status  string  // pg_replication_slots.wal_status

	timeline int32 // that our stream is on, 0 if it is not known
}

// retention tells how much WAL Postgres retains for the slot, since when, and
// how near that is to the limit. What is retained is what the acknowledger has
// not confirmed, and what open transactions of the server need.
type retention struct {
	warnBytes int64 // slot-warn-size, 0 is none
	last      slotSample
	ends      []walEndAt // where the WAL ended at known moments, those within the retained WAL, oldest first
	crossed   int        // how many of the crossings are exceeded
}

// limit is the lower of Postgres' limit and ours, and its name; 0 is none.
// Postgres keeps a segment at the least.
func (r *retention) limit() (bytes int64, name string) {
	most := r.last.limit
	if most == 0 {
		most = confirmStep
	}
	if most > 0 && (r.warnBytes == 0 || most <= r.warnBytes) {
		return most, "max_slot_wal_keep_size"
	}
	return r.warnBytes, "slot-warn-size"
}

// percent is how much of the limit is used up, 0 if there is none.
func (r *retention) percent() int {
	limit, _ := r.limit()
	if limit == 0 {
		return 0
	}
	return int(float64(r.last.bytes) / float64(limit) * 100)
}

// sampled takes in what the server retains at a moment. It returns how many
// crossings were exceeded before and are now.
func (r *retention) sampled(s slotSample, at time.Time) (before, after int) {
	r.last = s
	for len(r.ends) > 0 && r.ends[0].end <= s.restart {
		r.ends = r.ends[1:]
	}
	if n := len(r.ends); s.restart < s.end && s.restart != 0 && (n == 0 || r.ends[n-1].end < s.end) {
		r.ends = append(thinned(r.ends), walEndAt{s.end, at})
	}
	if s.restart == 0 {
		r.ends = nil
	}
	before, r.crossed = r.crossed, 0
	for r.crossed < len(crossings) && r.percent() >= crossings[r.crossed] {
		r.crossed++
	}
	return before, r.crossed
}

// read takes in when a transaction that ends at position was committed: the
// first that comes tells of WAL that is older than we have been looking.
func (r *retention) read(position wal.LSN, commit time.Time) {
	if len(r.ends) == 0 || position <= r.last.restart || position > r.ends[0].end || !commit.Before(r.ends[0].at) {
		return
	}
	r.ends = append([]walEndAt{{position, commit}}, r.ends...)
}

// age is that of the oldest WAL that is retained for the slot, as far as is
// known: it is at least so old.
func (r *retention) age(now time.Time) time.Duration {
	if len(r.ends) == 0 {
		return 0
	}
	return max(now.Sub(r.ends[0].at), 0)
}
