package filters

import "walcast/filters/datum"

// limit is one end of a span.
type limit struct {
	value     datum.Value
	set       bool // without it the span has no limit at this end
	inclusive bool
}

// span is the values between two limits.
type span struct{ low, high limit }

// narrow leaves in the span the values for which a test of order holds, or, if
// negated, does not hold.
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

// compareLow orders lower limits. No limit comes first, and of equal values the
// inclusive limit.
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

// compareHigh orders upper limits. No limit comes last, and of equal values the
// inclusive limit.
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

// boolOrder is 1 for true and 0 for false.
func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// above reports whether v satisfies the span's lower limit.
func (s *span) above(typ datum.Type, v *datum.Value) bool {
	if !s.low.set {
		return true
	}
	c := typ.Compare(*v, s.low.value)
	return c > 0 || c == 0 && s.low.inclusive
}

// within reports whether v satisfies the upper limit l.
func (l *limit) within(typ datum.Type, v *datum.Value) bool {
	if !l.set {
		return true
	}
	c := typ.Compare(*v, l.value)
	return c < 0 || c == 0 && l.inclusive
}
