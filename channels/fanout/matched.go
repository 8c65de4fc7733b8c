package fanout

import (
	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// matched is what a delivery has matched and not sent yet: matches, messages from
// SQL and the ends of transactions, in the order of the log. It belongs to the goroutine that delivers.
type matched struct {
	matches  []match
	messages []message    // and ends of transactions, which have no Message
	secured  []uint32     // transactions whose matches may be sent only after a look at the rules of access, each once
	outdated wal.Position // of the last match that is outdated, zero for none

	sent, relayed int    // how many of the matches and messages have been sent
	round         uint64 // how often it was emptied
}

// match is a binding whose filter a change meets, or may meet.
type match struct {
	change  *wal.Change
	binding *binding
	table   *tableState // the change's table, as it was at the change
	view    *policy.View
	// truth is what Go finds of the filter, and of the policy as far as it is compiled:
	// True, Undecided or, for views, False if the row can only leave.
	truth  filters.Truth
	way    way
	keys   *changeKeys             // of the change, for views
	reason protocol.SnapshotReason // why the rows come anew, if the match is doubtful
	// The questions that are put to Postgres, nil for none: whether the row may
	// be seen, and whether the filter holds.
	seen, holds *question
	whole       *wholeRow // the row with all its values, of a view that it enters; nil if nobody has asked for it
}

// way is how it is decided whether a match is sent.
type way uint8

const (
	hidden   way = iota // it is not sent
	open                // it is sent
	compiled            // it is sent if a look finds that the rules have not changed
	asked               // Postgres decides
	unread              // unknown until it has been read what the role may see of the table
	outdated            // undecidable: the rules of access to the table have changed since the row was written
	doubtful            // of a view: what the change is to it cannot be told, its rows are taken anew
)

// isLike reports whether the same verdict of the policy goes for both matches.
func (m *match) isLike(o *match) bool {
	return m.view == o.view && m.binding.subject == o.binding.subject
}

// isJudgedAs reports whether the match before was of the same change and view, and the view may
// judge it: hundreds of clients want the same rows.
func (m *match) isJudgedAs(before *match) bool {
	return before != nil && before.change == m.change && before.view == m.view && (before.way == open || before.way == compiled || before.way == asked)
}

// matchLimit is from how many matches on a delivery sends before it matches the next
// change. Each delivery, of which every channel that catches up has one, keeps room for as many.
const matchLimit = 1 << 13

// step is what is sent at once: a message, a change with all its matches, or the
// end of a transaction.
type step struct {
	change  *wal.Change
	message *message // nil for all others
	matches []match
	decided int // of a step that waits: how many of its matches are decided
}

func (b *matched) isEmpty() bool { return len(b.matches) == 0 && len(b.messages) == 0 }

func (b *matched) isFull() bool { return len(b.matches) >= matchLimit }

// before is the match that was added last, nil for none.
func (b *matched) before() *match {
	if n := len(b.matches); n > 0 {
		return &b.matches[n-1]
	}
	return nil
}

// add adds a match that is not hidden.
func (b *matched) add(m *match) {
	switch c := m.change; m.way {
	case compiled:
		if n := len(b.secured); n == 0 || b.secured[n-1] != c.XID {
			b.secured = append(b.secured, c.XID)
		}
	case outdated:
		b.outdated = c.Position
	}
	b.matches = append(b.matches, *m)
}

// compare makes the matches outdated whose rules have changed since they were
// matched, or unread if they are younger than the change: then they are judged by the
// new rules. Those of tables without row-level security count only if looks are
// late: otherwise the grants that they were matched by are new enough.
func (b *matched) compare(p *policy.Policy, late bool) {
	for i := range b.matches {
		m := &b.matches[i]
		if m.way != compiled && (m.way != open || !late) {
			continue
		}
		switch changedSince(p, m.view, m.binding.subject, m.change) {
		case younger:
			m.way = unread
		case older:
			m.way = outdated
			if m.change.Position.Compare(b.outdated) > 0 {
				b.outdated = m.change.Position
			}
		}
	}
}

// last is the position of the last match.
func (b *matched) last() wal.Position { return b.matches[len(b.matches)-1].change.Position }

// next moves to the next step; ok is false at the end.
func (b *matched) next() (s step, ok bool) {
	switch {
	case b.relayed < len(b.messages) && b.messages[b.relayed].before <= b.sent:
		m := &b.messages[b.relayed]
		b.relayed++
		if m.Message == nil {
			return step{change: m.change}, true
		}
		return step{change: m.change, message: m}, true
	case b.sent == len(b.matches):
		return step{}, false
	}
	start, change := b.sent, b.matches[b.sent].change
	for b.sent < len(b.matches) && b.matches[b.sent].change == change {
		b.sent++
	}
	return step{change: change, matches: b.matches[start:b.sent]}, true
}

// clear empties it and keeps alive nothing that was in it.
func (b *matched) clear() {
	clear(b.matches)
	clear(b.messages)
	b.matches, b.messages = b.matches[:0], b.messages[:0]
	b.secured = b.secured[:0]
	b.sent, b.relayed, b.outdated = 0, 0, wal.Position{}
	b.round++
}
