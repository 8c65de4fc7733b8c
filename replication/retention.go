package replication

import (
	"time"

	"walcast/replication/wal"
)

// crossings are the parts of the limit, in percent, at which it is said how
// much WAL Postgres keeps for the slot.
var crossings = []int{50, 80}

// kept is what the server tells of the WAL that it keeps for the slot.
type kept struct {
	end     wal.LSN // of all WAL
	restart wal.LSN // where the kept WAL begins, 0 if there is no slot or it is lost
	bytes   int64   // from restart to end
	most    int64   // max_slot_wal_keep_size, negative is unlimited
	status  string

	timeline int32 // that our stream is on, 0 is not known
}

// retention tells how much WAL Postgres keeps for the slot, since when, and
// how near that is to the limit.
type retention struct {
	warn    int64 // our own limit, 0 is none
	last    kept
	points  []lagSample // where the WAL ended at known moments, those within the kept WAL, oldest first
	crossed int         // how many of the crossings are behind us
}

// limit is the lower of Postgres' limit and ours, and its name; 0 is none.
// Postgres keeps a segment at the least.
func (r *retention) limit() (bytes int64, name string) {
	most := r.last.most
	if most == 0 {
		most = confirmStep
	}
	if most > 0 && (r.warn == 0 || most <= r.warn) {
		return most, "max_slot_wal_keep_size"
	}
	return r.warn, "slot-warn-size"
}

// percent is how much of the limit is used up, 0 if there is none.
func (r *retention) percent() int {
	limit, _ := r.limit()
	if limit == 0 {
		return 0
	}
	return int(float64(r.last.bytes) / float64(limit) * 100)
}

// sampled takes in what the server keeps at a moment. It returns the crossings
// that are behind us before and after.
func (r *retention) sampled(k kept, at time.Time) (before, after int) {
	r.last = k
	for len(r.points) > 0 && r.points[0].end <= k.restart {
		r.points = r.points[1:]
	}
	if n := len(r.points); k.restart < k.end && k.restart != 0 && (n == 0 || r.points[n-1].end < k.end) {
		r.points = append(thinned(r.points), lagSample{k.end, at})
	}
	if k.restart == 0 {
		r.points = nil
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
	if len(r.points) == 0 || position <= r.last.restart || position > r.points[0].end || !commit.Before(r.points[0].at) {
		return
	}
	r.points = append([]lagSample{{position, commit}}, r.points...)
}

// age is that of the oldest WAL that is kept for the slot, as far as is known:
// it is at least so old.
func (r *retention) age(now time.Time) time.Duration {
	if len(r.points) == 0 {
		return 0
	}
	return max(now.Sub(r.points[0].at), 0)
}
