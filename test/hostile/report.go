package hostile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// header is that of the table with a row for each attack. Times are in ms, sizes
// in MiB. What rows take before the attack is what the machine has left for the
// run: figures of a machine on which others work are held against it.
const header = `| attack | rows before: p50, p99 | rows p50, p99, max | asked rows p99, max | broadcasts p99, max | presence p99 | joins p99, max | lost, leaked, disordered | others refused | memory before, peak, after | back in | log | verdict |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`

// row is a line of the table.
func (o outcome) row() string {
	rows := o.merged(openTable, ownTable)
	asked, said, present := o.merged(askedTable), o.merged(broadcasts), o.merged(presence)
	var lost, leaked, disorder int
	for _, j := range o.streams {
		lost, leaked, disorder = lost+j.Missing, leaked+j.Leaked, disorder+j.Disorder+j.Twice
	}
	refused, _ := o.turnedAway()
	verdict := "held"
	if faults := append(o.harm(), o.excess()...); len(faults) > 0 {
		verdict = "**" + strings.Join(faults, "; ") + "**"
	}
	cells := []string{
		o.attack, ms(o.calm(openTable, ownTable), 0.5, 0.99), ms(rows, 0.5, 0.99, 1), ms(asked, 0.99, 1), ms(said, 0.99, 1), ms(present, 0.99), ms(o.joins(), 0.99, 1),
		fmt.Sprintf("%d, %d, %d", lost, leaked, disorder), fmt.Sprintf("%d of %d", refused, len(o.visits)),
		fmt.Sprintf("%d, %d, %d", o.before>>20, o.peak>>20, o.after>>20), o.settled.Round(time.Second).String(),
		fmt.Sprintf("%.2f", float64(o.logged)/(1<<20)), strings.NewReplacer("|", "/", "\n", " ").Replace(verdict),
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// merged is the delays of some streams, sorted.
func (o outcome) merged(names ...string) (all []time.Duration) {
	for _, j := range o.streams {
		if slices.Contains(names, j.Stream) {
			all = append(all, j.Delays...)
		}
	}
	slices.Sort(all)
	return all
}

// calm is the delays of some streams before the attack, sorted.
func (o outcome) calm(names ...string) (all []time.Duration) {
	for _, j := range o.streams {
		if slices.Contains(names, j.Stream) {
			all = append(all, j.Calm...)
		}
	}
	slices.Sort(all)
	return all
}

// ms lists quantiles in milliseconds.
func ms(delays []time.Duration, shares ...float64) string {
	var all []string
	for _, share := range shares {
		all = append(all, fmt.Sprintf("%.3g", float64(quantile(delays, share).Microseconds())/1000))
	}
	return strings.Join(all, ", ")
}

// told lists what the attackers were told, the most frequent first.
func (o outcome) told() string {
	names := slices.SortedFunc(maps.Keys(o.tally), func(a, b string) int {
		return cmp.Or(o.tally[b]-o.tally[a], cmp.Compare(a, b))
	})
	var all []string
	for _, name := range names[:min(len(names), 12)] {
		all = append(all, fmt.Sprintf("%d × %s", o.tally[name], name))
	}
	return strings.Join(all, "; ")
}
