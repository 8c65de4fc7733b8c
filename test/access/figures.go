package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// figures are what a series of rounds comes to.
type figures struct {
	postgres string // its version
	began    time.Time
	rounds   int
	counts
	most time.Duration // how old what walcast knew was at most

	faults, allowed map[string][]uint64 // by kind: the seed of each
	broken          []uint64            // seeds of rounds that could not be judged
}

// counts are of all rounds: changes of rows and of access, joins, frames that came,
// changes that did not come, and those of them that a resync gave up.
type counts struct{ rows, access, joins, frames, absences, givenUp int }

func newFigures(now time.Time) *figures {
	return &figures{began: now, faults: map[string][]uint64{}, allowed: map[string][]uint64{}}
}

// add counts a round.
func (f *figures) add(r *round) {
	f.postgres = r.postgres.Version
	f.rounds++
	f.rows += len(r.truth.changes)
	f.access += len(r.steward.history) - 1
	f.absences, f.givenUp = f.absences+r.absences, f.givenUp+r.givenUp
	f.most = max(f.most, r.looks.longest())
	for _, c := range r.clients {
		for _, e := range c.diary.read() {
			switch e.Kind {
			case joined:
				f.joins++
			case shown:
				f.frames++
			}
		}
	}
	for _, found := range r.faults {
		if found.counts() {
			f.faults[found.Kind] = append(f.faults[found.Kind], r.Seed)
		} else {
			f.allowed[found.Kind] = append(f.allowed[found.Kind], r.Seed)
		}
	}
}

// String is one paragraph, to be quoted.
func (f *figures) String() string {
	text := fmt.Sprintf("Postgres %s: %d rounds in %v, %d changes of rows, %d of access, %d joins; judged %d frames that came and %d changes that did not, besides %d that a resync gave up; walcast knew all that was older than %v\n",
		f.postgres, f.rounds, time.Since(f.began).Round(time.Second), f.rows, f.access, f.joins, f.frames, f.absences, f.givenUp, f.most.Round(time.Millisecond))
	text += "  faults: " + bySeed(f.faults) + "\n"
	text += "  allowed by the docs: " + bySeed(f.allowed) + "\n"
	if len(f.broken) > 0 {
		text += fmt.Sprintf("  not judged: seeds %v\n", f.broken)
	}
	return text
}

// bySeed lists kinds with how often they were found, and in rounds of which seeds.
func bySeed(kinds map[string][]uint64) string {
	if len(kinds) == 0 {
		return "0"
	}
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		seeds := kinds[kind]
		all = append(all, fmt.Sprintf("%d × %s (seeds %v)", len(seeds), kind, slices.Compact(slices.Clone(seeds))))
	}
	return strings.Join(all, "; ")
}
