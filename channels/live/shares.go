package live

import (
	"sync"
	"sync/atomic"

	"walcast/policy"
)

// shares are how many keys accounts have. It is safe for concurrent use.
type shares struct {
	greedy atomic.Pointer[share] // of the account that has to give keys back to others; nil for none

	mu  sync.Mutex
	all map[policy.Account]*share // those with sets
}

// share is what one account has.
type share struct {
	account policy.Account
	held    atomic.Int64
	sets    int // guarded by shares.mu
}

// enter returns the share of an account for one more set.
func (s *shares) enter(a policy.Account) *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.all[a]
	if of == nil {
		of = &share{account: a}
		s.all[a] = of
	}
	of.sets++
	return of
}

// leave has a set count no more.
func (s *shares) leave(of *share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of.sets--; of.sets == 0 {
		delete(s.all, of.account)
		s.greedy.CompareAndSwap(of, nil)
	}
}

// mayAsk reports whether an account may have one more key at the expense of another, which
// then is the greedy one: it has at least twice as many.
func (s *shares) mayAsk(by *share) bool {
	if g := s.greedy.Load(); g != nil && g.hasTwice(by) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var most *share
	for _, of := range s.all {
		if most == nil || of.held.Load() > most.held.Load() {
			most = of
		}
	}
	if most == nil || !most.hasTwice(by) {
		return false
	}
	s.greedy.Store(most)
	return true
}

func (of *share) hasTwice(by *share) bool { return of.held.Load() >= 2*(by.held.Load()+1) }
