package filters

import "walcast/filters/datum"

// limit is one end of a span.
type limit struct {
	value     datum.Value
	set       bool // unset is no limit
	inclusive bool
}

// span is the values between two limits.
type span struct{ low, high limit }

// narrow takes a bound in: values below it, or, negated, those that are not.
func (s *span) narrow(o order, negated bool) {
	if negated {
		l := limit{o.bound, true, !o.inclusive}
		if compareLow(o.typ, s.low, l) < 0 {
			s.low = l
		}
		return
	}
	l := limit{o.bound, true, o.inclusive}
	if compareHigh(o.typ, s.high, l) > 0 {
		s.high = l
	}
}

// compareLow orders lower limits: none comes first, and a value that is
// included before one that is not.
func compareLow(typ datum.Type, a, b limit) int {
	switch {
	case !a.set && !b.set:
		return 0
	case !a.set:
		return -1
	case !b.set:
		return 1
	}
	if c := typ.Compare(a.value, b.value); c != 0 {
		return c
	}
	return boolOrder(b.inclusive) - boolOrder(a.inclusive)
}

// compareHigh orders upper limits: none comes last.
func compareHigh(typ datum.Type, a, b limit) int {
	switch {
	case !a.set && !b.set:
		return 0
	case !a.set:
		return 1
	case !b.set:
		return -1
	}
	if c := typ.Compare(a.value, b.value); c != 0 {
		return c
	}
	return boolOrder(a.inclusive) - boolOrder(b.inclusive)
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// above reports whether v is not below the span.
func (s *span) above(typ datum.Type, v *datum.Value) bool {
	if !s.low.set {
		return true
	}
	c := typ.Compare(*v, s.low.value)
	return c > 0 || c == 0 && s.low.inclusive
}

// within reports whether v is not beyond an upper limit.
func (l *limit) within(typ datum.Type, v *datum.Value) bool {
	if !l.set {
		return true
	}
	c := typ.Compare(*v, l.value)
	return c < 0 || c == 0 && l.inclusive
}
