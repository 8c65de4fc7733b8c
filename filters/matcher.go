package filters

import "walcast/replication/wal"

// matcher is the state of matching one change against an index.
type matcher struct {
	evaluation
	turn     uint64       // the number of the change
	marks    []uint64     // by selectorID: the turn in which the selector was last reported
	matched  []selectorID // each once
	doubtful []selectorID // reached by an Undecided predicate; may repeat, and be in matched too

	change *wal.Change
	whole  func(selectorID, *wal.Change) Expr // the full expression of a selector for the change
}

// begin prepares for matching a row of a change against a number of selectors.
func (m *matcher) begin(c *wal.Change, row wal.Row, selectors int) {
	m.turn++
	m.change = c
	m.reset(row)
	m.matched, m.doubtful = m.matched[:0], m.doubtful[:0]
	for len(m.marks) < selectors {
		m.marks = append(m.marks, 0)
	}
}

// visit notes the selectors of those groups of a bucket whose predicate holds, or
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
		for _, id := range g.selectors {
			m.note(id, t)
		}
	}
}

// note records that a selector matches the change if t is True, and that it may
// match if t is Undecided.
func (m *matcher) note(id selectorID, t Truth) {
	switch {
	case t == Undecided:
		m.doubtful = append(m.doubtful, id)
	case t == True && m.isNew(id):
		m.matched = append(m.matched, id)
	}
}

// isNew reports whether this is its first call for the selector in this turn.
func (m *matcher) isNew(id selectorID) bool {
	if m.marks[id] == m.turn {
		return false
	}
	m.marks[id] = m.turn
	return true
}

// truth returns the truth of a predicate, which is evaluated once for a change.
func (m *matcher) truth(p *predicate) Truth {
	if p.turn != m.turn {
		p.turn = m.turn
		p.truth = demand(p.expr, &m.evaluation)
	}
	return p.truth
}

// demand evaluates an expression of which only True counts: it stops at the first
// part of a conjunction that is False or Unknown.
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

// visitWhole evaluates the whole expression of every selector of a bucket. It is
// for rows whose value the index cannot read, so that the bucket's key decides
// nothing.
func (m *matcher) visitWhole(b *bucket) {
	for _, g := range b.groups {
		for _, id := range g.selectors {
			m.note(id, demand(m.whole(id, m.change), &m.evaluation))
		}
	}
}
