package datum

// Set is a type whose values can contain each other: arrays, ranges, documents.
// What takes more than a few steps for each part of the two values is not
// certain.
type Set interface {
	Type
	// Contains is a @> b.
	Contains(a, b Value) (contains, certain bool)
	// Overlaps is a && b, which documents do not have.
	Overlaps(a, b Value) (overlaps, certain bool)
}

// SetOf returns t as a Set, whatever domains are around it.
func SetOf(t Type) (Set, bool) {
	if d, ok := t.(domain); ok {
		t = d.Type
	}
	s, ok := t.(Set)
	return s, ok
}
