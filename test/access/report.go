package access

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"walcast/test/program"
)

// summary is the figures of a round.
func (r *round) summary() string {
	var out strings.Builder
	count := map[entryKind]int{}
	troubles := map[string]int{}
	for _, c := range r.clients {
		for _, e := range c.diary.read() {
			count[e.Kind]++
			switch e.Kind {
			case trouble, resync:
				troubles[e.Code]++
			case closed:
				troubles["closed: "+e.Text]++
			}
		}
	}
	fmt.Fprintf(&out, "seed %d: %d changes of rows, %d of access (%d refused), %d clients, %d joins, %d frames, %d checks by Postgres (%d versions could not be asked)\n",
		r.Seed, len(r.truth.changes), len(r.steward.history)-1, total(r.steward.refused), len(r.clients), count[joined], count[shown], r.asked, r.odd)
	fmt.Fprintf(&out, "  %s\n", r.pace())
	fmt.Fprintf(&out, "  told: %s\n", tally(troubles))
	faults, allowed := map[string]int{}, map[string]int{}
	for _, f := range r.faults {
		if f.counts() {
			faults[f.class()]++
		} else {
			allowed[f.class()]++
		}
	}
	fmt.Fprintf(&out, "  faults: %s\n  allowed by the docs: %s\n", tally(faults), tally(allowed))
	return out.String()
}

// pace is how long rows took to those who were there when they were committed,
// and what walcast spent on the round: faults of a busy machine look different.
func (r *round) pace() string {
	var took []time.Duration
	for _, c := range r.clients {
		since := int64(math.MaxInt64)
		for _, e := range c.diary.read() {
			switch e.Kind {
			case armed:
				since = e.Time
			case closed:
				since = math.MaxInt64
			case shown:
				if w := r.truth.at[e.At]; w != nil && w.made.Before > since {
					took = append(took, time.Duration(e.Time-w.made.After))
				}
			}
		}
	}
	slices.Sort(took)
	part := func(p int) time.Duration { return took[len(took)*p/100].Round(time.Millisecond) }
	text := "no row came to who was there"
	if len(took) > 0 {
		text = fmt.Sprintf("%d rows came to who was there, half within %v, 99 of 100 within %v, all within %v", len(took), part(50), part(99), took[len(took)-1].Round(time.Millisecond))
	}
	if s := r.walcast.State(); s != nil {
		text += fmt.Sprintf("; walcast took %v of a processor and knew all that was older than %v", (s.UserTime() + s.SystemTime()).Round(time.Millisecond), r.looks.longest().Round(time.Millisecond))
	}
	return text
}

func total(counts map[string]int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// tally lists counts, the highest first.
func tally(counts map[string]int) string {
	if len(counts) == 0 {
		return "0"
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	var all []string
	for _, name := range names {
		all = append(all, fmt.Sprintf("%d × %s", counts[name], name))
	}
	return strings.Join(all, "; ")
}

// class is what faults of one reason have in common.
func (f Fault) class() string {
	switch {
	case f.Kind == lostByKey:
		return f.Kind + ", and what replaced it: " + f.suspicion.fate.end
	case f.Cause.label == "":
		return f.Kind
	}
	return f.Kind + " after " + f.Cause.label
}

// counts reports whether a fault fails the run.
func (f Fault) counts() bool { return !slices.Contains(noted, f.Kind) }

const (
	eachClass = 2   // faults that are shown in detail
	vicinity  = 5e9 // nanoseconds around a fault
)

// details shows the first faults of each class that counts, with what happened
// around them.
func (r *round) details() string {
	var out strings.Builder
	shown := map[string]int{}
	for _, f := range r.faults {
		if shown[f.class()]++; !f.counts() || shown[f.class()] > eachClass {
			continue
		}
		fmt.Fprintf(&out, "== seed %d, %s %s, %s: %s\n", f.Seed, program.Clock(f.Time), f.Client, f.class(), f.Text)
		for _, c := range r.clients {
			if c.name == f.Client {
				out.WriteString(excerpt(c.diary.read(), f.Time))
			}
		}
		out.WriteString(r.around(f))
	}
	return out.String()
}

// excerpt is what a client noted before and after a moment: the subject as which it had
// connected, and the last lines. Of the rows it has only the last before each other
// line.
func excerpt(diary []entry, at int64) string {
	var who, all []string
	for i, e := range diary {
		if e.Time >= at+vicinity/10 {
			break
		}
		line := fmt.Sprintf("  %s %.250s\n", program.Clock(e.Time), e)
		quiet := (e.Kind == shown || e.Kind == progress) && i+1 < len(diary) && (diary[i+1].Kind == shown || diary[i+1].Kind == progress)
		switch {
		case e.Kind == opened:
			who, all = []string{line}, nil
		case e.Kind == joined || e.Kind == refreshed || e.Kind == answered:
			who = append(who, line)
		case !quiet:
			all = append(all, line)
		}
	}
	return strings.Join(who, "") + strings.Join(all[max(0, len(all)-20):], "")
}

// around lists the changes of access around a fault, and the server's log.
func (r *round) around(f Fault) string {
	var out strings.Builder
	for k, c := range r.steward.history {
		if k == 0 || c.After < f.Time-vicinity || c.Before > f.Time+vicinity/5 {
			continue
		}
		fmt.Fprintf(&out, "  %s to %s change %d, %s: %.300q %.300q\n", program.Clock(c.Before), program.Clock(c.After), k, c.Label, c.Rows, c.Rules)
	}
	if f.suspicion != nil {
		t := r.world.tables[f.suspicion.row.table]
		fmt.Fprintf(&out, "  %s (%s, rows written to %s) began with:\n", t, t.identity, t.target())
		for _, rule := range r.world.rights {
			if strings.Contains(rule, t.String()+" ") {
				fmt.Fprintf(&out, "    %s\n", rule)
			}
		}
	}
	fmt.Fprintf(&out, "  the server's log:\n%s", r.walcast.printed(f.Time, 2e9, 1e9))
	return out.String()
}
