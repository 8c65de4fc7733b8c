package filters

import "walcast/replication/wal"

// matcher is the state of matching one change against an index.
type matcher struct {
	evaluation
	turn     uint64   // counts changes
	marks    []uint64 // by member: the turn in which it was found
	matched  []member
	failures []failure // when failing is set

	failing bool
	change  *wal.Change
	whole   func(member, *wal.Change) Expr // all conditions of a member on it
}

// failure is a member for which Postgres raised an error.
type failure struct {
	member member
	err    *BindError
}

// begin makes ready for a row.
func (m *matcher) begin(c *wal.Change, row wal.Row, members int) {
	m.turn++
	m.change = c
	m.reset(row)
	m.matched, m.failures = m.matched[:0], m.failures[:0]
	for len(m.marks) < members {
		m.marks = append(m.marks, 0)
	}
}

// visit takes the members of those groups of a bucket whose predicate holds.
func (m *matcher) visit(b *bucket) {
	for _, g := range b.groups {
		if g.predicate == nil || m.holds(g.predicate) {
			for _, member := range g.members {
				m.take(member)
			}
		} else if m.failing && g.predicate.failure != nil {
			for _, member := range g.members {
				m.fail(member, g.predicate.failure)
			}
		}
	}
}

// take notes a member, once.
func (m *matcher) take(member member) {
	if m.marks[member] != m.turn {
		m.marks[member] = m.turn
		m.matched = append(m.matched, member)
	}
}

// fail notes a member that cannot be decided, once.
func (m *matcher) fail(member member, err *BindError) {
	if m.marks[member] != m.turn {
		m.marks[member] = m.turn
		m.failures = append(m.failures, failure{member, err})
	}
}

// holds evaluates a predicate once for a change.
func (m *matcher) holds(p *predicate) bool {
	if p.turn != m.turn {
		p.turn = m.turn
		p.truth, p.failure = m.decide(p.expr)
	}
	return p.truth == True
}

// decide evaluates an expression. What would have to be asked of Postgres is
// noted only if the answer would change the result.
func (m *matcher) decide(e Expr) (Truth, *BindError) {
	wanted := m.wanted
	m.wanted, m.failure = nil, nil
	t := demand(e, &m.evaluation)
	m.wanted = wanted
	if t == Undecided && wanted != nil {
		t = evaluate(e, &m.evaluation)
	}
	if t != Undecided {
		return t, nil
	}
	return t, m.failure
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
			t, err := m.decide(m.whole(member, m.change))
			if t == True {
				m.take(member)
			}
			if m.failing && err != nil {
				m.fail(member, err)
			}
		}
	}
}
