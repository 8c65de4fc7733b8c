package datum

// Set is a type whose values can contain each other: arrays, ranges, documents.
type Set interface {
	Type
	// Contains is a @> b.
	Contains(a, b Value) bool
	// Overlaps is a && b, which documents do not have.
	Overlaps(a, b Value) bool
}

// SetOf returns t as a Set, whatever domains are around it.
func SetOf(t Type) (Set, bool) {
	if d, ok := t.(domain); ok {
		t = d.Type
	}
	s, ok := t.(Set)
	return s, ok
}
