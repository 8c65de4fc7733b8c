package drill

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"walcast/replication/wal"
	"walcast/test/havoc"
	"walcast/test/program"
)

// Report is the outcome of a run.
type Report struct {
	Seed     uint64
	Duration time.Duration
	Faults   []havoc.Fault
	Summary  string // figures
	Details  string // of the first faults: what happened around them
}

// judge judges every client.
func (d *drill) judge() {
	base := wal.Before(d.rows[0].At.LSN) // the first pulse
	for _, c := range d.clients {
		ch := charge{Wants: c.want.wants, Base: base, HasBase: true, Names: c.kind.names(), Unclean: d.havoc.Unclean()}
		diaries := [][]entry{c.diary.read()}
		if c.kind == newcomer {
			diaries = visits(c.diary.read())
		}
		for _, diary := range diaries {
			if c.kind == newcomer {
				ch.Base, ch.HasBase = diary[0].At, !diary[0].At.IsZero()
			}
			for _, f := range judge(ch, d.rows, diary) {
				f.Client = c.name
				d.faults = append(d.faults, f)
			}
		}
	}
	d.faults = slices.Concat(d.faults, d.havoc.Walcast.Faults(), d.havoc.Faults())
	slices.SortStableFunc(d.faults, func(a, b havoc.Fault) int { return cmp.Compare(a.Time, b.Time) })
}

// visits splits a diary at its joins.
func visits(diary []entry) (all [][]entry) {
	for i, e := range diary {
		if e.Kind == joined {
			all = append(all, nil)
		}
		if len(all) > 0 {
			all[len(all)-1] = append(all[len(all)-1], diary[i])
		}
	}
	return all
}

func (d *drill) report() *Report {
	return &Report{Seed: d.Seed, Duration: d.Duration, Faults: d.faults, Summary: d.summary(), Details: d.details()}
}

func (d *drill) summary() string {
	var out strings.Builder
	fmt.Fprintf(&out, "seed %d, %s, %d rows committed\n", d.Seed, d.Duration, len(d.rows))
	fmt.Fprintf(&out, "walcast %s\n", d.havoc.Walcast.Args())
	for what, n := range d.havoc.Counted() {
		fmt.Fprintf(&out, "%6d × %s\n", n, what)
	}
	for _, c := range d.clients {
		count := map[entryKind]int{}
		codes := map[string]int{}
		texts := map[string]int{}
		distinct := map[row]bool{}
		for _, e := range c.diary.read() {
			count[e.Kind]++
			switch e.Kind {
			case resync:
				codes[e.Resync.Code]++
			case refused, told:
				texts[e.Text]++
			case seen:
				distinct[e.Row] = true
			}
		}
		fmt.Fprintf(&out, "%s: %d joins, %d rows, %d of them again, resyncs %v", c.name, count[joined], count[seen], count[seen]-len(distinct), codes)
		if len(texts) > 0 {
			fmt.Fprintf(&out, ", told %v", texts)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

const detailed = 5 // faults

// details shows what went on around the first faults.
func (d *drill) details() string {
	var out strings.Builder
	for _, f := range d.faults[:min(detailed, len(d.faults))] {
		fmt.Fprintf(&out, "== %s %s: %s\n", program.Clock(f.Time), f.Client, f.Text)
		for _, c := range d.clients {
			if c.name == f.Client {
				out.WriteString(excerpt(c.diary.read(), f.Time))
			}
		}
		fmt.Fprintf(&out, "what was done:\n%s", d.events.Around(f.Time, 5*time.Second, time.Second, 0))
		fmt.Fprintf(&out, "the server's log:\n%s", d.havoc.Walcast.Around(f.Time, 5*time.Second, time.Second, 0))
	}
	return out.String()
}

// excerpt is what a client noted before and after a moment.
func excerpt(diary []entry, at int64) string {
	i, _ := slices.BinarySearchFunc(diary, at, func(e entry, at int64) int { return cmp.Compare(e.Time, at) })
	var out strings.Builder
	for _, e := range diary[max(0, i-12):min(len(diary), i+6)] {
		fmt.Fprintf(&out, "  %s %s\n", program.Clock(e.Time), e)
	}
	return out.String()
}

func (e entry) String() string {
	switch e.Kind {
	case joined:
		return fmt.Sprintf("joined at %s", e.At)
	case seen:
		return fmt.Sprintf("row %s at %s %s", e.Row, e.At, e.Text)
	case resync:
		return fmt.Sprintf("resync from %s oldest %s up to %s: %s", e.Resync.From, e.Resync.Oldest, e.Resync.Upto, e.Text)
	case closed:
		return "closed: " + e.Text
	case refused:
		return "refused: " + e.Text
	}
	return "told: " + e.Text
}
