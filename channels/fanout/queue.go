package fanout

import (
	"slices"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/protocol"
	"walcast/replication/wal"
)

// queue is the steps of a subscription that are not decided yet, and the
// decided ones after them: each channel gets its rows and messages in order.
type queue struct {
	steps []step
	bytes int
	ended map[*diagnose.Binding]bool // bindings of which no step is sent any more
}

// The bounds of what waits. Beyond them a subscription catches up from the log,
// where its changes are anyway.
const (
	queuedMost    = 1 << 20  // bytes of one subscription
	allQueuedMost = 64 << 20 // bytes of all
)

// bytes is about how much memory a waiting step takes. Its change is counted in
// full, as the log may have dropped it.
func (s *step) bytes() int { return 256 + 96*len(s.matches) + s.change.Bytes }

// shows reports whether something of a decided step, the first of the queue of a
// subscription, is to be sent.
func (s *step) shows(to *Subscription) bool {
	return s.message != nil || s.change.Operation == wal.Commit && to.unfinished.isDue(s.change) ||
		slices.ContainsFunc(s.matches, func(m match) bool { return m.shows() })
}

// shows reports whether something of a decided match, of the first step of the queue, is to
// be sent.
func (m *match) shows() bool {
	held := m.binding.held()
	switch {
	case m.binding.isSilent():
		return false
	case held == nil || m.isIn():
		return m.way != hidden
	}
	return held.had(m.keys, m.change.Operation)
}

// isIn reports whether filter and visibility hold for the row after the change, once the
// match is decided.
func (m *match) isIn() bool { return m.way != hidden && m.truth != filters.False }

// forget tells questions that the step does not wait for them any more.
func (s *step) forget() {
	for i := range s.matches {
		for _, q := range []*question{s.matches[i].seen, s.matches[i].holds} {
			if q != nil {
				q.interest.Add(-1)
			}
		}
	}
}

// take takes in the answers to the questions of a match, if they are there.
func (m *match) take() {
	for _, q := range []*question{m.seen, m.holds} {
		switch {
		case q == nil:
		case !q.done.Load():
			return
		case q.rules == older:
			m.way = outdated
			return
		case q.rules == younger:
			m.way, m.seen, m.holds = unread, nil, nil
			return
		case q.isStale && m.binding.held() != nil:
			m.way, m.reason = doubtful, protocol.SnapshotAccess
			return
		case q.raised != nil && m.binding.held() != nil:
			m.way, m.reason = doubtful, protocol.SnapshotResync // SELECT would raise too
			return
		case q.raised != nil || !q.yes:
			m.way = hidden
			return
		}
	}
	if m.seen != nil || m.holds != nil {
		m.way = open
	}
}
