package filters

import "testing"

// A selector whose expression has one key twice, as two policies with the same
// condition make it, is filed once: it could not be taken out otherwise.
func TestASelectorIsInAGroupOnce(t *testing.T) {
	ri := newRelationIndex(halls())
	ei := ri.forEvents(EventSet(0))
	for range 2 {
		ri.put(1, &ei.unkeyed, nil)
	}
	if g := ri.locations[1].group; len(g.selectors) != 1 {
		t.Errorf("the group has %v; want the selector once", g.selectors)
	}
	ri.remove(1)
	if len(ri.locations) != 0 {
		t.Errorf("%d locations left", len(ri.locations))
	}
}
