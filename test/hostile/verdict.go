package hostile

import (
	"fmt"
	"slices"
	"time"
)

// The limits of a run that is measured.
const (
	rowLimit    = 250 * time.Millisecond // 99 of 100 rows, broadcasts and updates of presence
	askedLimit  = time.Second            // the same of rows that Postgres is asked about
	joinLimit   = 2 * time.Second        // 99 of 100 joins of others, until their bindings are checked
	memoryLimit = 300 << 20              // resident, at any time
	restLimit   = 150 << 20              // resident, a while after the attackers have left
	stateLimit  = 64 << 20               // what is kept over a stop
	logFloor    = 256 << 10              // bytes that may be logged, and
	logRate     = 16 << 10               // bytes a second more
	killLimit   = 3 << 30                // resident: the server is killed, before the machine suffers
)

// visit is one join by an ordinary client while others attack.
type visit struct {
	joined  time.Duration // until the channel's bindings were checked
	refused string        // or why it was not let in
}

// outcome is what a run has found.
type outcome struct {
	attack  string
	running time.Duration // the attack and what followed
	streams []judged
	visits  []visit
	faults  []string // what should never happen: an end, a panic, a session of the victim that was closed

	before, peak, after int64 // resident bytes
	settled             time.Duration
	logged, state       int64
	tally               map[string]int
}

// harm lists what others have lost, or seen, whatever the time it took.
func (o outcome) harm() []string {
	all := slices.Clone(o.faults)
	for _, j := range o.streams {
		if !j.whole() {
			all = append(all, fmt.Sprintf("%s: of %d, %d missing, %d twice, %d out of order, %d leaked", j.Stream, j.Sent, j.Missing, j.Twice, j.Disorder, j.Leaked))
		}
	}
	if n, why := o.turnedAway(); n > 0 {
		all = append(all, fmt.Sprintf("%d of %d others not let in: %s", n, len(o.visits), why))
	}
	return all
}

// excess lists the figures that are above their limits.
func (o outcome) excess() (all []string) {
	over := func(what string, got, limit any) { all = append(all, fmt.Sprintf("%s %v, above %v", what, got, limit)) }
	for _, j := range o.streams {
		limit := rowLimit
		if j.Stream == askedTable {
			limit = askedLimit
		}
		if p99 := quantile(j.Delays, 0.99); p99 > limit {
			over(j.Stream+": p99", p99.Round(time.Millisecond), limit)
		}
	}
	if p99 := quantile(o.joins(), 0.99); p99 > joinLimit {
		over("joins: p99", p99.Round(time.Millisecond), joinLimit)
	}
	for _, m := range []struct {
		what       string
		got, limit int64
	}{
		{"memory", o.peak, memoryLimit},
		{"memory afterwards", o.after, restLimit},
		{"log", o.logged, logFloor + int64(o.running.Seconds()*logRate)},
		{"state", o.state, stateLimit},
	} {
		if m.got > m.limit {
			over(m.what, mebibytes(m.got), mebibytes(m.limit))
		}
	}
	return all
}

// joins is how long the visits that were let in have waited for it, sorted.
func (o outcome) joins() (all []time.Duration) {
	for _, v := range o.visits {
		if v.refused == "" {
			all = append(all, v.joined)
		}
	}
	slices.Sort(all)
	return all
}

// turnedAway counts the visits that were not let in, and says why of one.
func (o outcome) turnedAway() (n int, why string) {
	for _, v := range o.visits {
		if v.refused != "" {
			n++
			why = v.refused
		}
	}
	return n, why
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
