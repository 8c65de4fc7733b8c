package datum

// Set is a type whose values can contain each other: arrays, ranges, documents. A
// comparison that would take more than a few steps for each part of the two values
// is not certain.
type Set interface {
	Type
	// Contains is a @> b.
	Contains(a, b Value) (contains, certain bool)
	// Overlaps is a && b, which documents do not have.
	Overlaps(a, b Value) (overlaps, certain bool)
}

// SetOf returns t, or the type below a domain t, as a Set.
func SetOf(t Type) (Set, bool) {
	if d, ok := t.(domain); ok {
		t = d.Type
	}
	s, ok := t.(Set)
	return s, ok
}
