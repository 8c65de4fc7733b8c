package livedrill

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"walcast/test/program"
)

// Report is the outcome of a run.
type Report struct {
	Seed    uint64
	Looks   int          // at what clients held
	Counts  map[kind]int // of faults
	Faults  []string     // in the order of time
	Summary string       // figures
	Details string       // of the first faults: what happened around them
}

// counted are the kinds that are always reported.
var counted = []kind{torn, lost, phantom, leaked}

func (d *drill) report(asked int) *Report {
	slices.SortStableFunc(d.faults, func(a, b fault) int { return cmp.Compare(a.Time, b.Time) })
	r := &Report{Seed: d.Seed, Counts: map[kind]int{}}
	for _, f := range d.faults {
		r.Counts[f.kind]++
		r.Faults = append(r.Faults, fmt.Sprintf("%s %s %s: %s", program.Clock(f.Time), f.Client, f.kind, f.Text))
	}
	for _, c := range d.clients {
		r.Looks += len(c.notes.looks)
	}
	r.Summary, r.Details = d.summary(r, asked), d.details()
	return r
}

func (d *drill) summary(r *Report, asked int) string {
	var out strings.Builder
	fmt.Fprintf(&out, "seed %d, %s, %d transactions acknowledged, %d looks, %d opinions\n", d.Seed, d.Duration, len(d.acks.when), r.Looks, asked)
	for _, k := range counted {
		fmt.Fprintf(&out, "%s %d, ", k, r.Counts[k])
	}
	fmt.Fprintf(&out, "others %d\nwalcast %s\n", len(d.faults)-r.Counts[torn]-r.Counts[lost]-r.Counts[phantom]-r.Counts[leaked], d.havoc.Walcast.Args())
	for what, n := range d.havoc.Counted() {
		fmt.Fprintf(&out, "%6d × %s\n", n, what)
	}
	for _, c := range d.clients {
		fmt.Fprintf(&out, "%s: %d looks", c.name, len(c.notes.looks))
		for _, what := range slices.Sorted(maps.Keys(c.notes.count)) {
			fmt.Fprintf(&out, ", %s %d", what, c.notes.count[what])
		}
		out.WriteByte('\n')
	}
	return out.String()
}

const detailed = 3 // faults

// details shows what went on around the first faults.
func (d *drill) details() string {
	var out strings.Builder
	for _, f := range d.faults[:min(detailed, len(d.faults))] {
		fmt.Fprintf(&out, "== %s %s %s: %s\n", program.Clock(f.Time), f.Client, f.kind, f.Text)
		for _, c := range d.clients {
			if c.name == f.Client {
				out.WriteString(c.notes.lines.Around(f.Time, 15*time.Second, time.Second, 80))
			}
		}
		fmt.Fprintf(&out, "what was done:\n%s", d.events.Around(f.Time, 15*time.Second, time.Second, 60))
		fmt.Fprintf(&out, "the server's log:\n%s", d.havoc.Walcast.Around(f.Time, 10*time.Second, time.Second, 60))
	}
	return out.String()
}
