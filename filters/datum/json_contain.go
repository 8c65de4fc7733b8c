package datum

import "slices"

// Bounds of the steps of one test of containment.
const (
	minContainSteps = 1024
	stepsPerValue   = 8
	// fewPairs is up to how many pairs of values are compared each with each.
	fewPairs = 64
)

// containing is one test whether a document contains another. When it has used up
// its steps it gives up, and its result means nothing.
type containing struct{ steps int }

// scalar is a value that is neither an array nor an object.
type scalar struct {
	kind byte
	text string
}

// contain is jsonb's d @> o. At the top, and only there, an array contains a scalar
// as it contains an array of that scalar.
func (t *containing) contain(d, o JSON) bool {
	if d.kind == '[' && o.scalar() {
		return t.has(d.items, o)
	}
	return t.includes(d, o)
}

// includes is containment of values that are not at the top.
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

// includesItems reports whether for each wanted item some item contains it. Of many
// items the scalars are found by a map.
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

// has reports whether one of the items contains the wanted value.
func (t *containing) has(items []JSON, want JSON) bool {
	return slices.ContainsFunc(items, func(item JSON) bool { return t.includes(item, want) })
}
