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

// proof is what a session has whose client can be recognised when it comes back.
type proof struct {
	prover
	due atomic.Bool // the session is on the list of proofs
}

// proofInterval is the time between two pings that ask a session for proof.
const proofInterval = 200 * time.Millisecond

// proofs lists the sessions to which something was sent since their last ping.
type proofs struct {
	mu   sync.Mutex
	due  []*session
	mark sync.Mutex // held from Mark to the push of its ping
}

// note has the session pinged soon. It costs an atomic read when that is known.
func (p *proofs) note(s *session) {
	if s.proof.due.Load() || !s.proof.due.CompareAndSwap(false, true) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = append(p.due, s)
}

func (p *proofs) take() (due []*session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	due, p.due = p.due, nil
	return due
}

// prove pings whoever was sent something, every proofInterval. One goroutine
// serves all sessions.
func (g *Gateway) prove(ctx context.Context) error {
	ticker := time.NewTicker(proofInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			for _, s := range g.proofs.take() {
				s.proof.due.Store(false) // first: what is pushed from here on wants another ping
				g.askProof(s)
			}
		}
	}
}

// askProof sends a ping whose pong proves what was sent before.
func (g *Gateway) askProof(s *session) {
	g.proofs.mark.Lock()
	defer g.proofs.mark.Unlock()
	s.enqueue(protocol.Ping([]byte(s.proof.Mark())))
}
