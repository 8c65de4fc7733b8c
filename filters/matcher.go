package filters

import (
	"walcast/replication/wal"
)

// matcher is one change on its way through an index.
type matcher struct {
	evaluation
	turn    uint64   // counts changes
	marks   []uint64 // by member: the turn in which it was found
	matched []member
	refused []refusal // when failing is set

	failing bool
	change  *wal.Change
	whole   func(member, *wal.Change) Expr // all that a member demands of it
}

// refusal is a member that Postgres raised for.
type refusal struct {
	member member
	err    *BindError
}

// begin makes ready for a row.
func (m *matcher) begin(c *wal.Change, row wal.Row, members int) {
	m.turn++
	m.change = c
	m.reset(row)
	m.matched, m.refused = m.matched[:0], m.refused[:0]
	for len(m.marks) < members {
		m.marks = append(m.marks, 0)
	}
}

// visit takes the members of the groups whose predicate holds.
func (m *matcher) visit(b *bucket) {
	for _, g := range b.groups {
		if g.predicate == nil || m.holds(g.predicate) {
			for _, member := range g.members {
				m.take(member)
			}
		} else if m.failing && g.predicate.failure != nil {
			for _, member := range g.members {
				m.refuse(member, g.predicate.failure)
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

// refuse notes a member that cannot be decided, once.
func (m *matcher) refuse(member member, err *BindError) {
	if m.marks[member] != m.turn {
		m.marks[member] = m.turn
		m.refused = append(m.refused, refusal{member, err})
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

// decide evaluates, and notes what would have to be asked only if that would
// change something.
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

// demand evaluates what must be True: of a conjunction, Unknown settles it as
// well as False does.
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

// visitOdd evaluates the whole expression of everybody in a bucket: the index
// cannot read the row's value.
func (m *matcher) visitOdd(b *bucket) {
	for _, g := range b.groups {
		for _, member := range g.members {
			t, failure := m.decide(m.whole(member, m.change))
			if t == True {
				m.take(member)
			}
			if m.failing && failure != nil {
				m.refuse(member, failure)
			}
		}
	}
}
