package live

import (
	"slices"

	"walcast/policy"
)

// line is the snapshots that wait for a connection. Accounts take turns, however many
// snapshots each of them wants, and none has all of the connections. It has no lock of
// its own: that of Snapshots guards it.
type line struct {
	each    int // connections that one account may have at once
	using   map[policy.Account]int
	waiting map[policy.Account][]*batch
	order   []policy.Account // of those who wait, whose turn is next first
}

func newLine(connections int) line {
	return line{each: max(1, connections-1), using: map[policy.Account]int{}, waiting: map[policy.Account][]*batch{}}
}

// put has a batch wait behind those of its account.
func (l *line) put(b *batch) {
	a := b.account()
	if l.waiting[a] = append(l.waiting[a], b); len(l.waiting[a]) == 1 {
		l.order = append(l.order, a)
	}
}

// take takes out the batch whose turn it is among the accounts that may begin one, nil
// for none. Its account uses one connection more until it calls done.
func (l *line) take(mayBegin func(policy.Account) bool) *batch {
	for i, a := range l.order {
		if l.using[a] >= l.each || !mayBegin(a) {
			continue
		}
		b := l.waiting[a][0]
		l.using[a]++
		l.order = slices.Delete(l.order, i, i+1)
		if l.waiting[a] = l.waiting[a][1:]; len(l.waiting[a]) > 0 {
			l.order = append(l.order, a)
		} else {
			delete(l.waiting, a)
		}
		return b
	}
	return nil
}

// done ends the use of a connection.
func (l *line) done(a policy.Account) {
	if l.using[a]--; l.using[a] == 0 {
		delete(l.using, a)
	}
}

// remove takes a batch out that nobody wants any more.
func (l *line) remove(b *batch) {
	a := b.account()
	l.waiting[a] = slices.DeleteFunc(l.waiting[a], func(o *batch) bool { return o == b })
	if len(l.waiting[a]) == 0 {
		delete(l.waiting, a)
		l.order = slices.DeleteFunc(l.order, func(o policy.Account) bool { return o == a })
	}
}

// size is how many batches wait.
func (l *line) size() (n int) {
	for _, of := range l.waiting {
		n += len(of)
	}
	return n
}
