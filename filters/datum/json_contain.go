package datum

import "slices"

// Bounds of the steps that a test of containment takes.
const (
	minContainSteps = 1024
	stepsPerValue   = 8
	// fewPairs is how many pairs of values are compared each with each.
	fewPairs = 64
)

// containing is one test whether a document contains another. Below zero steps
// it is given up: its result counts for nothing then.
type containing struct{ steps int }

// scalar is a value that is neither an array nor an object.
type scalar struct {
	kind byte
	text string
}

// contain is jsonb's d @> o: an array may contain a scalar as if it stood in
// an array, but only at the top.
func (t *containing) contain(d, o JSON) bool {
	if d.kind == '[' && o.scalar() {
		return t.has(d.items, o)
	}
	return t.includes(d, o)
}

// includes is containment below the top.
func (t *containing) includes(d, o JSON) bool {
	if t.steps--; t.steps < 0 || d.kind != o.kind {
		return false
	}
	switch d.kind {
	case '{':
		return !slices.ContainsFunc(o.fields, func(want field) bool {
			got, ok := d.field(want.name)
			return !ok || !t.includes(got, want.value)
		})
	case '[':
		return t.includesItems(d.items, o.items)
	}
	return d.text == o.text
}

// includesItems reports whether each item that is wanted has one that contains
// it. Scalars are looked up when there are many.
func (t *containing) includesItems(items, wanted []JSON) bool {
	var scalars map[scalar]struct{}
	if len(items)*len(wanted) > fewPairs {
		t.steps -= len(items)
		scalars = scalarsOf(items)
	}
	return !slices.ContainsFunc(wanted, func(want JSON) bool {
		if scalars == nil || !want.scalar() {
			return !t.has(items, want)
		}
		t.steps--
		_, found := scalars[scalar{want.kind, want.text}]
		return !found
	})
}

func scalarsOf(items []JSON) map[scalar]struct{} {
	scalars := map[scalar]struct{}{}
	for _, item := range items {
		if item.scalar() {
			scalars[scalar{item.kind, item.text}] = struct{}{}
		}
	}
	return scalars
}

// has reports whether one of the items contains what is wanted.
func (t *containing) has(items []JSON, want JSON) bool {
	return slices.ContainsFunc(items, func(item JSON) bool { return t.includes(item, want) })
}
