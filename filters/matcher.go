package filters

import "walcast/replication/wal"

// matcher is the state of matching one change against an index.
type matcher struct {
	evaluation
	turn     uint64   // counts changes
	marks    []uint64 // by member: the turn in which it was found
	matched  []member
	doubtful []member // found by what is Undecided, maybe several times, maybe matched as well

	change *wal.Change
	whole  func(member, *wal.Change) Expr // all conditions of a member on it
}

// begin makes ready for a row.
func (m *matcher) begin(c *wal.Change, row wal.Row, members int) {
	m.turn++
	m.change = c
	m.reset(row)
	m.matched, m.doubtful = m.matched[:0], m.doubtful[:0]
	for len(m.marks) < members {
		m.marks = append(m.marks, 0)
	}
}

// visit takes the members of those groups of a bucket whose predicate holds, or
// may hold.
func (m *matcher) visit(b *bucket) {
	for _, g := range b.groups {
		t := True
		if g.predicate != nil {
			t = m.truth(g.predicate)
		}
		if t != True && t != Undecided {
			continue
		}
		for _, member := range g.members {
			m.take(member, t)
		}
	}
}

// take notes a member.
func (m *matcher) take(member member, t Truth) {
	switch {
	case t == Undecided:
		m.doubtful = append(m.doubtful, member)
	case t == True && m.isNew(member):
		m.matched = append(m.matched, member)
	}
}

// isNew reports whether it is asked about a member for the first time in the turn.
func (m *matcher) isNew(member member) bool {
	if m.marks[member] == m.turn {
		return false
	}
	m.marks[member] = m.turn
	return true
}

// truth evaluates a predicate once for a change.
func (m *matcher) truth(p *predicate) Truth {
	if p.turn != m.turn {
		p.turn = m.turn
		p.truth = demand(p.expr, &m.evaluation)
	}
	return p.truth
}

// demand evaluates what must be True: a part of a conjunction that is Unknown
// decides it as well as one that is False.
func demand(e Expr, ev *evaluation) Truth {
	parts, ok := e.(conjunction)
	if !ok {
		return evaluate(e, ev)
	}
	all := True
	for _, part := range parts {
		t := evaluate(part, ev)
		if t == False || t == Unknown {
			return t
		}
		all = all.and(t)
	}
	return all
}

// visitWhole evaluates the whole expression of every member of a bucket, as the
// index cannot read the row's value and so the bucket says nothing of it.
func (m *matcher) visitWhole(b *bucket) {
	for _, g := range b.groups {
		for _, member := range g.members {
			m.take(member, demand(m.whole(member, m.change), &m.evaluation))
		}
	}
}
