package filters

import (
	"strings"

	"walcast/filters/pattern"
)

// Cost is an upper limit of what it takes to store and to match a filter. It is
// known without the table, so a join can add up the costs of its bindings, and a
// session those of its joins, before any of them is bound.
type Cost struct {
	Bytes int // memory in each index that the filter is added to
	// Steps is how often matching looks at each byte of the values that the
	// conditions read of a row; a step takes a few nanoseconds. Nearly all rows
	// take far fewer. Asking Postgres counts as one step.
	Steps int
}

// Plus returns the cost of both.
func (c Cost) Plus(o Cost) Cost { return Cost{c.Bytes + o.Bytes, c.Steps + o.Steps} }

// Upper limits as they were measured; a test fails when one is exceeded.
const (
	filterBytes    = 1024 // of a filter without conditions
	conditionBytes = 1024 // of a condition
	textFactor     = 6    // of a byte of text, which is in the filter, in its expression's key and in what is compared
	pathBytes      = 64   // of a step of a JSON path
	listValueBytes = 384  // of a value in a list, as the filter may be filed under each
	elementFactor  = 64   // of a byte of an array or a document, in which two bytes can be an element: {1,1,1}
	// How many steps a byte takes where it is more than one.
	stepsOfPattern     = 2
	stepsOfRegexp      = 4
	stepsOfContainment = 8
)

// Cost returns an upper limit of the memory and the steps that the filter takes:
// those of the filter itself and of all its conditions, in groups too.
func (f Filter) Cost() Cost {
	total := Cost{Bytes: filterBytes}
	f.addTo(&total)
	return total
}

// StepsPerByte is how many steps for each byte of its text every row takes, whether the
// filter is for it or not: patterns and sets have to be tried, while an index leads
// from a row's values to the filters that name them.
func (f Filter) StepsPerByte() (steps int) {
	for _, c := range f {
		switch {
		case (c.Op == Eq || c.Op == In || c.Op == Is) && !c.Negate:
			return 0 // the rest is tried on rows with these values alone
		case c.Op.grouping():
			steps += c.Group.stepsOfGroup()
		case c.Op.onPatterns() || c.Op.onSets():
			steps += c.cost().Steps
		}
	}
	return steps
}

// stepsOfGroup adds up what any of the group's conditions may have tried.
func (f Filter) stepsOfGroup() (steps int) {
	for _, c := range f {
		steps += Filter{c}.StepsPerByte()
	}
	return steps
}

// addTo adds the costs of the conditions to a total.
func (f Filter) addTo(total *Cost) {
	for _, c := range f {
		*total = total.Plus(c.cost())
		c.Group.addTo(total)
	}
}

// cost returns the cost of the condition without those in its group.
func (c Condition) cost() Cost {
	path := strings.Count(c.Column, "->")
	cost := Cost{
		Bytes: conditionBytes + textFactor*(len(c.Column)+len(c.Value)) + pathBytes*path,
		Steps: 1 + path, // each step of a path reads the document
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
			cost.Steps += stepsOfRegexp
		}
	case In:
		cost.Bytes += listValueBytes * min(1+strings.Count(c.Value, ","), maxListValues)
	case Contains, ContainedBy, Overlaps:
		cost.Bytes += elementFactor * len(c.Value)
		cost.Steps += stepsOfContainment
	}
	return cost
}
