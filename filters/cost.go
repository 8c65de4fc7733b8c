package filters

import (
	"strings"

	"walcast/filters/pattern"
)

// Cost is what a filter takes of those who match it, at most. It needs no table:
// a join can add up the costs of its bindings, and a session those of its joins,
// before any of them is bound.
type Cost struct {
	Bytes int // memory, in each index that the filter stands in
	// Steps are for each byte of what the conditions read of a row, a few
	// nanoseconds each. Nearly all rows take far fewer. What Postgres is asked
	// counts as one.
	Steps int
}

// Plus is the cost of both.
func (c Cost) Plus(o Cost) Cost { return Cost{c.Bytes + o.Bytes, c.Steps + o.Steps} }

// Measured upper limits, which a test holds.
const (
	filterBytes    = 1024 // of a filter, whatever is in it
	conditionBytes = 1024 // of a condition
	textFactor     = 6    // of a byte of text: the filter's own, the key of its expression, what is compared
	pathBytes      = 64   // of a step of a path
	memberBytes    = 384  // of a value in a list: the filter may be filed under it
	elementFactor  = 64   // of a byte of an array or a document: {1,1,1} has an element for two bytes
	// What is more than a look at a byte, in looks.
	stepsOfPattern    = 2
	stepsOfExpression = 4
	stepsOfContained  = 8
)

// Cost is the sum of all conditions.
func (f Filter) Cost() Cost {
	total := Cost{Bytes: filterBytes}
	f.addTo(&total)
	return total
}

// Scans is how many steps for each byte of its text every row takes, whether the
// filter is for it or not: patterns and sets have to be tried, while an index leads
// from a row's values to the filters that name them.
func (f Filter) Scans() (steps int) {
	for _, c := range f {
		switch {
		case (c.Op == Eq || c.Op == In || c.Op == Is) && !c.Negate:
			return 0 // the rest is tried on rows with these values alone
		case c.Op.grouping():
			steps += c.Group.scansOfGroup()
		case c.Op.onPatterns() || c.Op.onSets():
			steps += c.cost().Steps
		}
	}
	return steps
}

// scansOfGroup adds up what any of the group's conditions may have tried.
func (f Filter) scansOfGroup() (steps int) {
	for _, c := range f {
		steps += Filter{c}.Scans()
	}
	return steps
}

func (f Filter) addTo(total *Cost) {
	for _, c := range f {
		*total = total.Plus(c.cost())
		c.Group.addTo(total)
	}
}

// cost is that of the condition itself, without what is in its group.
func (c Condition) cost() Cost {
	path := strings.Count(c.Column, "->")
	cost := Cost{
		Bytes: conditionBytes + textFactor*(len(c.Column)+len(c.Value)) + pathBytes*path,
		Steps: 1 + path, // each reads the document
	}
	for _, r := range c.Readings {
		cost.Bytes += textFactor * len(r.Text)
	}
	switch c.Op {
	case Like, ILike:
		cost.Bytes += 5 * len(c.Value)
		cost.Steps += stepsOfPattern
	case Match, IMatch:
		if pattern.Size(c.Value) > 0 {
			cost.Bytes += pattern.Bytes(c.Value)
			cost.Steps += stepsOfExpression
		}
	case In:
		cost.Bytes += memberBytes * min(1+strings.Count(c.Value, ","), maxMembers)
	case Contains, ContainedBy, Overlaps:
		cost.Bytes += elementFactor * len(c.Value)
		cost.Steps += stepsOfContained
	}
	return cost
}
