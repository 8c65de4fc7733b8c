package server

import (
	"testing"
	"time"
)

// What upstream publishes on two cores when 1,000 clients have subscribed, in
// changes/s: each with a filter of its own, and each to its own rows by row-level
// security. Measured on its database function, which is what limits it.
const (
	upstreamFiltered = 66
	upstreamOwnRows  = 60
)

// audiences are what the sessions of a crowd ask for: one row in as many as
// there are sessions is for each.
var audiences = map[string]struct {
	crowd    crowd
	insert   string // rows $1 to $2 for $3 sessions
	upstream float64
}{
	"eq": {
		crowd{Join: `{"config":{"presence":{"enabled":false},"postgres_changes":[{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.NUMBER"}]}}`},
		`insert into messages select i, i % $3, 'somebody says something, row ' || i from generate_series($1::int, $2) i`,
		upstreamFiltered,
	},
	"own": {
		crowd{OwnToken: true, Join: `{"config":{"presence":{"enabled":false},"postgres_changes":[{"event":"*","schema":"public","table":"notes"}]}}`},
		`insert into notes select i, ('00000000-0000-4000-8000-' || lpad((i % $3)::text, 12, '0'))::uuid, 'somebody notes something, row ' || i from generate_series($1::int, $2) i`,
		upstreamOwnRows,
	},
	"asked": {
		crowd{OwnToken: true, Join: `{"config":{"presence":{"enabled":false},"postgres_changes":[{"event":"*","schema":"public","table":"memos","filter":"id=gt.0"}]}}`},
		`with w as (insert into writers select ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid from generate_series(0, $3 - 1) i on conflict do nothing)
		insert into memos select i, ('00000000-0000-4000-8000-' || lpad((i % $3)::text, 12, '0'))::uuid, 'somebody notes something, row ' || i from generate_series($1::int, $2) i`,
		upstreamOwnRows,
	},
}

// audience is a crowd, and the rows that are inserted for it.
type audience struct {
	*summoned
	bench  *bench
	insert string
	number int // how many rows are for others before one is for the same
	due    int64
}

func (s *bench) gather(kind string, sessions int) *audience {
	s.tb.Helper()
	k := audiences[kind]
	c := k.crowd
	c.Address, c.Sessions, c.Parallel, c.Armed = s.Addr(), sessions, 8, true
	return &audience{summoned: summon(s.tb, c), bench: s, insert: k.insert, number: sessions}
}

// burst is what became of rows that were inserted in one transaction.
type burst struct {
	tally
	elapsed    time.Duration // from before the insert until the last client has its last row
	processor  time.Duration // of the server
	statements int           // that Postgres was asked meanwhile
}

func (a *audience) burst(rows int) (got burst) {
	s := a.bench
	s.tb.Helper()
	a.due += int64(rows)
	answer := a.order(a.due)
	asked, processor, start := s.statements(), processorTime(s.tb), time.Now()
	s.db.Exec(a.insert, s.rows+1, s.rows+rows, a.number)
	s.rows += rows
	got.tally = answer()
	got.elapsed = time.Since(start)
	got.processor = processorTime(s.tb) - processor
	got.statements = s.statements() - asked
	return got
}

// BenchmarkBurst is rows of one transaction for 1,000 subscribers, of whom each
// gets its share and nobody another's. "times" is against upstream's rate.
func BenchmarkBurst(b *testing.B) {
	const subscribers = 1000
	for _, c := range []struct {
		kind string
		rows int
	}{{"eq", 100_000}, {"own", 100_000}, {"asked", 1000}} {
		b.Run("subscribers="+c.kind, func(b *testing.B) {
			a := serveForBench(b).gather(c.kind, subscribers)
			defer a.leave()
			a.burst(subscribers) // what is looked up once
			var all burst
			for b.Loop() {
				got := a.burst(c.rows)
				all.elapsed += got.elapsed
				all.processor += got.processor
				all.statements += got.statements
			}
			rows := float64(b.N * c.rows)
			rate := rows / all.elapsed.Seconds()
			b.ReportMetric(rate, "rows/s")
			b.ReportMetric(rate/audiences[c.kind].upstream, "times")
			b.ReportMetric(microseconds(all.processor)/rows, "cpu-µs/row")
			b.ReportMetric(float64(all.statements)/rows, "statements/row")
			if c.kind == "asked" { // Postgres is asked about each row for each subscriber
				b.ReportMetric(microseconds(all.elapsed)/rows/subscribers, "µs/row/user")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkChangeCost is what a change costs the server that ten of 10,000
// subscribers want, each its share, against the same with ten subscribers:
// processor time, as the clock would count the clients in.
func BenchmarkChangeCost(b *testing.B) {
	const few, many = 10, 10_000
	for _, kind := range []string{"eq", "own"} {
		b.Run("subscribers="+kind, func(b *testing.B) {
			s := serveForBench(b)
			a := s.gather(kind, few)
			defer a.leave()
			alone := a.cost()
			others := summonOthers(s, kind, few, many)
			defer others.leave()
			crowded := time.Duration(0)
			n := 0
			for b.Loop() {
				crowded += a.cost()
				n++
			}
			crowded /= time.Duration(n)
			b.ReportMetric(microseconds(crowded), "cpu-µs/change")
			b.ReportMetric(float64(crowded)/float64(alone), "of-10")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// cost is the processor time of a change: over several bursts, so that the
// collector has its share, and the best of some such rounds, since other load on
// the machine makes processor time dearer.
func (a *audience) cost() time.Duration {
	const rounds, bursts, rows = 4, 4, 20_000
	a.burst(rows)
	best := time.Hour
	for range rounds {
		took := time.Duration(0)
		for range bursts {
			took += a.burst(rows).processor
		}
		best = min(best, took/(bursts*rows))
	}
	return best
}

// summonOthers starts the rest of a crowd, for which there are no rows.
func summonOthers(s *bench, kind string, few, many int) *summoned {
	c := audiences[kind].crowd
	c.Address, c.From, c.Sessions, c.Parallel, c.Armed = s.Addr(), few, many-few, 8, true
	return summon(s.tb, c)
}
