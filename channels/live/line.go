package live

import (
	"slices"

	"walcast/policy"
)

// line is the snapshots that wait for a connection. Subjects take turns, however many
// snapshots each of them wants, and none has all of the connections. It has no lock of
// its own: that of Snapshots guards it.
type line struct {
	each    int // connections that one subject may have at once
	using   map[*policy.Subject]int
	waiting map[*policy.Subject][]*batch
	order   []*policy.Subject // of those who wait, whose turn is next first
}

func newLine(connections int) line {
	return line{each: max(1, connections-1), using: map[*policy.Subject]int{}, waiting: map[*policy.Subject][]*batch{}}
}

// put has a batch wait behind those of its subject.
func (l *line) put(b *batch) {
	s := b.key.subject
	if l.waiting[s] = append(l.waiting[s], b); len(l.waiting[s]) == 1 {
		l.order = append(l.order, s)
	}
}

// take takes out the batch whose turn it is, nil for none. Its subject uses one
// connection more until it calls done.
func (l *line) take() *batch {
	for i, s := range l.order {
		if l.using[s] >= l.each {
			continue
		}
		b := l.waiting[s][0]
		l.using[s]++
		l.order = slices.Delete(l.order, i, i+1)
		if l.waiting[s] = l.waiting[s][1:]; len(l.waiting[s]) > 0 {
			l.order = append(l.order, s)
		} else {
			delete(l.waiting, s)
		}
		return b
	}
	return nil
}

// done ends the use of a connection.
func (l *line) done(s *policy.Subject) {
	if l.using[s]--; l.using[s] == 0 {
		delete(l.using, s)
	}
}

// remove takes a batch out that nobody wants any more.
func (l *line) remove(b *batch) {
	s := b.key.subject
	l.waiting[s] = slices.DeleteFunc(l.waiting[s], func(o *batch) bool { return o == b })
	if len(l.waiting[s]) == 0 {
		delete(l.waiting, s)
		l.order = slices.DeleteFunc(l.order, func(o *policy.Subject) bool { return o == s })
	}
}

// size is how many batches wait.
func (l *line) size() (n int) {
	for _, of := range l.waiting {
		n += len(of)
	}
	return n
}
