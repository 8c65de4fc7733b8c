package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// spending is what senders have sent by this node since other nodes were told. A nil one
// notes nothing. It is safe for concurrent use.
type spending struct {
	mu   sync.Mutex
	sent map[string]*spent
}

// note counts what a sender has sent. Of more senders than are told apart nobody is told.
func (s *spending) note(sender string, messages, bytes int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.sent[sender]
	if of == nil {
		if len(s.sent) >= sendersKnown {
			return
		}
		of = &spent{Sender: sender}
		s.sent[sender] = of
	}
	of.Messages += messages
	of.Bytes += bytes
}

// take returns what was sent, and forgets it.
func (s *spending) take() (all []spent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, of := range s.sent {
		all = append(all, *of)
	}
	clear(s.sent)
	return all
}

// charge takes from the rates of senders what they have sent by another node.
func (s *senders) charge(all []spent, now time.Time) {
	for _, of := range all {
		rates := s.named(of.Sender)
		drain(rates.messages, of.Messages, now)
		drain(rates.bytes, of.Bytes, now)
	}
}

// drain takes from a rate what was spent, also what it has not.
func drain(l *rate.Limiter, amount int, now time.Time) {
	if l == nil {
		return
	}
	burst := l.Burst()
	for amount = min(amount, 10*burst); amount > 0; amount -= burst {
		l.ReserveN(now, min(amount, burst))
	}
}
