package fanout

import (
	"context"
	"slices"
	"sync"

	"walcast/policy"
)

// turns bound how many catch-ups do something at a time. No owner has all of them: one
// gets a turn while it has fewer than are left, and those who wait have theirs one
// owner after the other. So an owner of one catch-up does not wait for one of thousands.
type turns struct {
	mu      sync.Mutex
	taken   map[owner]int
	left    int
	waiting map[owner][]chan struct{} // closed when the catch-up has its turn
	line    []owner                   // of those who wait, whose turn is next first
}

// owner is whose a catch-up is: that of the account that its bindings act as or, without
// bindings, that of its session.
type owner struct {
	account policy.Account
	session *Session
}

func newTurns(most int) *turns {
	return &turns{left: most, taken: map[owner]int{}, waiting: map[owner][]chan struct{}{}}
}

// take waits for a turn, which give gives back. It is false when ctx is done.
func (t *turns) take(ctx context.Context, by owner) bool {
	got := t.ask(by)
	if got == nil {
		return true
	}
	select {
	case <-got:
		return true
	case <-ctx.Done():
		t.withdraw(by, got)
		return false
	}
}

// ask takes a turn if one is left for the owner, or returns what is closed when
// one is.
func (t *turns) ask(by owner) (got chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting[by]) == 0 && t.mayTake(by) {
		t.count(by, 1)
		return nil
	}
	got = make(chan struct{})
	if t.waiting[by] = append(t.waiting[by], got); len(t.waiting[by]) == 1 {
		t.line = append(t.line, by)
	}
	return got
}

// give gives a turn back.
func (t *turns) give(by owner) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(by, -1)
	t.pass()
}

// withdraw ends the waiting for a turn, or gives back the one that has come meanwhile.
func (t *turns) withdraw(by owner, got chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting[by], got)
	if i < 0 {
		t.count(by, -1)
		t.pass()
		return
	}
	t.waiting[by] = slices.Delete(t.waiting[by], i, i+1)
	if len(t.waiting[by]) == 0 {
		delete(t.waiting, by)
		t.line = slices.DeleteFunc(t.line, func(o owner) bool { return o == by })
	}
}

// pass passes turns on for as long as somebody who waits may have one. t.mu must be held.
func (t *turns) pass() {
	for {
		i := slices.IndexFunc(t.line, t.mayTake)
		if i < 0 {
			return
		}
		by := t.line[i]
		t.count(by, 1)
		close(t.waiting[by][0])
		t.waiting[by][0] = nil
		t.line = slices.Delete(t.line, i, i+1)
		if t.waiting[by] = t.waiting[by][1:]; len(t.waiting[by]) > 0 {
			t.line = append(t.line, by)
		} else {
			delete(t.waiting, by)
		}
	}
}

// mayTake reports whether a turn is left for an owner. t.mu must be held.
func (t *turns) mayTake(by owner) bool { return t.taken[by] < t.left }

// count notes that an owner has n turns more. t.mu must be held.
func (t *turns) count(by owner, n int) {
	t.left -= n
	if t.taken[by] += n; t.taken[by] == 0 {
		delete(t.taken, by)
	}
}
