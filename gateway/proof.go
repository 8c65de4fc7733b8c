package gateway

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"walcast/protocol"
)

// prover is a conversation that wants to know what its client has received.
type prover interface {
	// Mark returns the payload of a ping that stands for everything pushed before.
	Mark() string
	// Proven takes the payload of a pong.
	Proven(payload string)
}

// proof is what a session has whose client can be recognised when it comes back:
// the pong to a ping proves that the client has received what was sent before.
type proof struct {
	prover
	scheduled atomic.Bool // the session is among those to be pinged
}

// proofInterval is the time between two pings that ask a session for proof.
const proofInterval = 200 * time.Millisecond

// proofs pings the sessions to which something was sent since their last ping. It
// is safe for concurrent use.
type proofs struct {
	mu        sync.Mutex
	scheduled []*session

	// asking is held from Mark to the push of its ping, so that pings leave in the
	// order of their marks though several goroutines send them.
	asking sync.Mutex
}

// schedule has the session pinged soon. It costs an atomic read when that is due
// already.
func (p *proofs) schedule(s *session) {
	if s.proof.scheduled.Load() || !s.proof.scheduled.CompareAndSwap(false, true) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scheduled = append(p.scheduled, s)
}

func (p *proofs) take() (scheduled []*session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	scheduled, p.scheduled = p.scheduled, nil
	return scheduled
}

// run pings the scheduled sessions every proofInterval, until ctx is done. One
// goroutine serves all sessions.
func (p *proofs) run(ctx context.Context) error {
	ticker := time.NewTicker(proofInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			for _, s := range p.take() {
				// This comes first: what is pushed from here on needs another ping.
				s.proof.scheduled.Store(false)
				p.ask(s)
			}
		}
	}
}

// ask sends a ping whose pong proves what was sent before.
func (p *proofs) ask(s *session) {
	p.asking.Lock()
	defer p.asking.Unlock()
	s.enqueue(protocol.Ping([]byte(s.proof.Mark())))
}
