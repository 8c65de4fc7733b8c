package filters

// selectorID is the number that an index gives a selector.
type selectorID uint32

// bucketOwner is what a bucket belongs to. bucketEmptied is called when the
// bucket has lost its last group, so that the owner can remove the bucket.
type bucketOwner interface{ bucketEmptied() }

// bucket holds the selectors that are filed under one key or range, in groups by
// the predicate that is left to evaluate. Neither a bucket nor a group may be
// copied: a short list lies within the struct itself (few), which saves one
// access to memory when a change is matched.
type bucket struct {
	owner  bucketOwner // nil for a bucket that stays when it is empty
	groups []*group
	few    [1]*group
	// byPredicate finds a group by its predicate; nil while there are few groups.
	byPredicate map[*predicate]*group
}

// group holds the selectors of a bucket that share one predicate.
type group struct {
	bucket    *bucket
	at        int        // index in bucket.groups
	predicate *predicate // nil if every row that leads to the bucket matches
	selectors []selectorID
	few       [2]selectorID
}

// manyGroups is the length from which on searching a list costs more than a map.
const manyGroups = 8

// group returns the group of a predicate, new if need be.
func (b *bucket) group(p *predicate) *group {
	if b.byPredicate != nil {
		if g := b.byPredicate[p]; g != nil {
			return g
		}
	} else {
		for _, g := range b.groups {
			if g.predicate == p {
				return g
			}
		}
	}
	g := &group{bucket: b, at: len(b.groups), predicate: p}
	g.selectors = g.few[:0]
	if b.groups == nil {
		b.groups = b.few[:0]
	}
	b.groups = append(b.groups, g)
	if len(b.groups) > len(b.few) {
		clear(b.few[:]) // append has moved the list to the heap
	}
	switch {
	case b.byPredicate != nil:
		b.byPredicate[p] = g
	case len(b.groups) > manyGroups:
		b.byPredicate = make(map[*predicate]*group, 2*manyGroups)
		for _, g := range b.groups {
			b.byPredicate[g.predicate] = g
		}
	}
	return g
}

// population estimates the number of selectors in the bucket.
func (b *bucket) population() int {
	n := len(b.groups)
	for _, g := range b.groups[:min(n, manyGroups)] {
		n += len(g.selectors)
	}
	return n
}

// remove takes an empty group out of the bucket, and tells the owner when that
// was the last group.
func (b *bucket) remove(g *group) {
	last := len(b.groups) - 1
	b.groups[g.at] = b.groups[last]
	b.groups[g.at].at = g.at
	b.groups[last] = nil
	b.groups = b.groups[:last]
	if b.byPredicate != nil {
		delete(b.byPredicate, g.predicate)
	}
	if last == 0 && b.owner != nil {
		b.owner.bucketEmptied()
	}
}

// location is where a selector stands in a group.
type location struct {
	group *group
	at    uint32 // index in group.selectors
}

// add puts a selector at the end of the group.
func (g *group) add(id selectorID) location {
	g.selectors = append(g.selectors, id)
	return location{g, uint32(len(g.selectors) - 1)}
}

// predicate is an expression that several groups may share. The matcher
// evaluates it at most once for a change, and keeps the result in truth.
type predicate struct {
	expr  Expr
	key   string
	users int    // how many selectors in groups need it
	turn  uint64 // the matcher's turn that truth is of
	truth Truth
}

// predicates are the predicates of one relation, by their key.
type predicates map[string]*predicate

// of returns the predicate of an expression and counts one more user of it.
func (ps predicates) of(e Expr) *predicate {
	key := e.Key()
	p := ps[key]
	if p == nil {
		p = &predicate{expr: e, key: key}
		ps[key] = p
	}
	p.users++
	return p
}

// release counts one user less, and forgets a predicate without users.
func (ps predicates) release(p *predicate) {
	if p.users--; p.users == 0 {
		delete(ps, p.key)
	}
}
