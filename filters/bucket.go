package filters

// member is the number of a selector in the index.
type member uint32

// bucketOwner holds a bucket, and removes it when it has become empty.
type bucketOwner interface{ bucketEmptied() }

// bucket holds the members that are filed under one key or range, in groups by
// the predicate that is left to evaluate. Neither a bucket nor a group may be
// copied: their lists begin within themselves (few), which saves an access to
// memory for each when a change is matched.
type bucket struct {
	owner  bucketOwner // nil for a bucket that stays when it is empty
	groups []*group
	few    [1]*group
	// byPredicate finds a group when there are many.
	byPredicate map[*predicate]*group
}

// group holds the members of a bucket that have one predicate.
type group struct {
	bucket    *bucket
	at        int        // index in bucket.groups
	predicate *predicate // nil for none: all rows that lead here match
	members   []member
	few       [2]member
}

// manyGroups is where searching a list costs more than a map.
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
	g.members = g.few[:0]
	if b.groups == nil {
		b.groups = b.few[:0]
	}
	b.groups = append(b.groups, g)
	if len(b.groups) > len(b.few) {
		clear(b.few[:]) // the list has moved out of it
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

// population estimates the number of members.
func (b *bucket) population() int {
	n := len(b.groups)
	for _, g := range b.groups[:min(n, manyGroups)] {
		n += len(g.members)
	}
	return n
}

// remove takes an empty group away, and tells the owner when it was the last.
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

// location is where a member stands in a group.
type location struct {
	group *group
	at    uint32 // index in group.members
}

// add puts a member at the end.
func (g *group) add(m member) location {
	g.members = append(g.members, m)
	return location{g, uint32(len(g.members) - 1)}
}

// predicate is an expression that several groups may share. It is evaluated
// once for a change.
type predicate struct {
	expr  Expr
	key   string
	users int // members of groups that need it
	turn  uint64
	truth Truth
}

// predicates are those of one relation, by their key.
type predicates map[string]*predicate

// of returns the predicate of an expression, for one more user.
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

func (ps predicates) release(p *predicate) {
	if p.users--; p.users == 0 {
		delete(ps, p.key)
	}
}
