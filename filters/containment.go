package filters

import "walcast/filters/datum"

// containment is a test by @>, <@ or && between the value and another set.
type containment struct {
	op    Operator
	typ   datum.Set
	other datum.Value
}

func (c containment) holds(ev *evaluation, o *operand, text string) Truth {
	v, ok := ev.value(o, c.typ, text)
	if !ok {
		return Undecided
	}
	switch c.op {
	case Contains:
		return ifCertain(c.typ.Contains(v, c.other))
	case ContainedBy:
		return ifCertain(c.typ.Contains(c.other, v))
	}
	return ifCertain(c.typ.Overlaps(v, c.other))
}
