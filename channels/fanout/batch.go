package fanout

import (
	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// batch is what a delivery has on its way from matching to sending: matches and
// messages from SQL, in the order of the log. It belongs to the goroutine that
// delivers.
type batch struct {
	matches  []match
	messages []message
	secured  []uint32     // transactions with matches that count only after a look at their rules, each once
	outdated wal.Position // of the last match that is, zero for none

	sent, relayed int             // of matches and messages
	touched       []*Subscription // those that the change being sent goes to
	appeared      []appearance
}

// match is one binding whose filter a change meets, or may meet.
type match struct {
	change  *wal.Change
	binding *binding
	known   *relation // of the change
	view    *policy.View
	truth   filters.Truth // of the filter and what is compiled: True or Undecided
	way     way
	since   wal.LSN // if outdated: where the new rules begin
	// What Postgres is asked; nil for nothing.
	seen, holds *question
}

// way is how it is decided whether a match goes to its client.
type way uint8

const (
	hidden   way = iota // it does not
	open                // it does
	compiled            // it does after a look has found the rules unchanged
	asked               // Postgres says
	unread              // nobody knows yet what the role may see
	outdated            // it cannot be told: who may see what of the table has changed since
)

// isLike reports whether the same verdict is due for both matches.
func (m *match) isLike(o *match) bool {
	return m.view == o.view && m.binding.subject == o.binding.subject
}

// matchLimit bounds how many matches are held between matching and sending.
const matchLimit = 1 << 15

// appearance is that the first row came of a table that was not published.
type appearance struct {
	subscription *Subscription
	tableName
}

// step is what is sent at once: a message, or a change with all its matches.
type step struct {
	change  *wal.Change
	message *message // nil for a row change
	matches []match
	decided int // how many of the matches are, of a step that waits
}

func (b *batch) isEmpty() bool { return len(b.matches) == 0 && len(b.messages) == 0 }

func (b *batch) isFull() bool { return len(b.matches) >= matchLimit }

// secure notes the transaction of a change with a match that counts only after a
// look.
func (b *batch) secure(c *wal.Change) {
	if n := len(b.secured); n == 0 || b.secured[n-1] != c.XID {
		b.secured = append(b.secured, c.XID)
	}
}

// last is the position of the last match.
func (b *batch) last() wal.Position { return b.matches[len(b.matches)-1].change.Position }

// next moves to the next step; it is false at the end.
func (b *batch) next() (s step, ok bool) {
	switch {
	case b.relayed < len(b.messages) && b.messages[b.relayed].before <= b.sent:
		m := &b.messages[b.relayed]
		b.relayed++
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

// clear empties the batch and keeps nothing alive that was in it.
func (b *batch) clear() {
	clear(b.matches)
	clear(b.messages)
	clear(b.appeared)
	b.matches, b.messages = b.matches[:0], b.messages[:0]
	b.appeared = b.appeared[:0]
	b.secured = b.secured[:0]
	b.sent, b.relayed, b.outdated = 0, 0, wal.Position{}
}
