package api

import (
	"context"
	"time"
)

// askAgain is the pause before other nodes are asked again about a request that one of
// them is doing.
const askAgain = 50 * time.Millisecond

// ask asks other nodes about a request that is new here. It is false if one of them has
// done it, or the client has gone: then the request is not this node's to do.
func (r *repeats) ask(ctx context.Context, scope digest, first *repeat) (mine bool) {
	for {
		f := r.others.find(ctx, scope)
		switch {
		case f.done != nil:
			r.forget(scope, first)
			r.learn(scope, *f.done, time.Now())
			close(first.over)
			return false
		case !f.running && r.decide(first):
			return true
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			r.forget(scope, first)
			close(first.over)
			return false
		}
	}
}

// decide has this node do a request, unless another that asked meanwhile does.
func (r *repeats) decide(first *repeat) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first.yields {
		first.yields = false
		return false
	}
	first.asks = false
	return true
}

// learn takes in that another node has done a request. What is known here of it counts
// first.
func (r *repeats) learn(scope digest, d done, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.known.Peek(scope); ok && now.Sub(known.at) < repeatsAge {
		return
	}
	learnt := &repeat{body: d.body, at: now.Add(-d.age), over: make(chan struct{}), answer: d.answer}
	close(learnt.over)
	r.known.Add(scope, learnt)
}

// answer says what is known here of a request that another node asks about. Of two that
// ask about the same at once, the first by name does it.
func (r *repeats) answer(scope digest, isFirst bool, now time.Time) (f found) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.known.Peek(scope)
	if !ok || now.Sub(known.at) >= repeatsAge {
		return found{}
	}
	select {
	case <-known.over:
		if known.answer.status != 0 {
			f.done = &done{known.body, now.Sub(known.at), known.answer}
		}
		return f
	default:
	}
	if known.asks && isFirst {
		known.yields = true
		return found{}
	}
	return found{running: true}
}
