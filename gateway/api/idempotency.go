package api

import (
	"context"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	repeatsAge    = 5 * time.Minute
	repeatsKnown  = 16 << 10 // keys remembered; the least recently used go first
	repeatsBody   = 4 << 10  // the longest body of an answer that is remembered
	repeatsKey    = 255      // the longest key
	repeatsHeader = "Idempotency-Key"
)

// repeats remembers requests by their Idempotency-Key, so that one that is
// repeated because its answer was lost is not done twice.
type repeats struct {
	others others // nil where requests are remembered by this node alone

	mu    sync.Mutex
	known *lru.Cache[digest, *repeat]
}

// others are the other nodes of a cluster, which remember requests too.
type others interface {
	// find says what they know of a request, as far as they answer soon.
	find(ctx context.Context, scope digest) found
	// tell tells them that a request was done.
	tell(scope digest, d done)
}

// found is what other nodes know of a request: one of them is doing it, or has done it,
// or none of these.
type found struct {
	running bool
	done    *done
}

// done is a request that was done, as nodes tell each other.
type done struct {
	body   digest
	age    time.Duration
	answer response
}

// digest is what is kept of a request.
type digest [sha256.Size]byte

// repeat is a request that was done, or is being done.
type repeat struct {
	body   digest
	at     time.Time
	over   chan struct{} // closed when answer is there
	answer response      // of status 0 when it is to be tried again

	// What follows is guarded by repeats.mu.
	asks   bool // other nodes are asked whether they know it
	yields bool // another that asked meanwhile does it
}

func newRepeats() *repeats {
	known, err := lru.New[digest, *repeat](repeatsKnown)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &repeats{known: known}
}

// do answers a request with f, or as it was answered when it came first. One that
// did not succeed is tried again.
func (r *repeats) do(req request, now time.Time, f func() response) response {
	key := req.Header.Get(repeatsHeader)
	switch {
	case key == "":
		return f()
	case len(key) > repeatsKey:
		return message(http.StatusBadRequest, "Idempotency-Key has more than 255 bytes")
	}
	// A key counts for one token: other clients may use the same key, and clients
	// with the same role and sub may have other rights.
	scope := digest(sha256.Sum256([]byte(req.token + "\x00" + req.URL.EscapedPath() + "\x00" + key)))
	// With another query or type the same body is another message: a private one, or one
	// that is kept.
	body := digest(sha256.Sum256(append([]byte(req.URL.RawQuery+"\x00"+req.Header.Get("Content-Type")+"\x00"), req.body...)))
	for {
		first, mine := r.claim(scope, body, now)
		if mine {
			if r.others == nil || r.ask(req.Context(), scope, first) {
				return r.run(scope, first, f)
			}
			if req.Context().Err() != nil {
				return givenUp
			}
			continue
		}
		if first.body != body {
			return message(http.StatusUnprocessableEntity, "Idempotency-Key was used for another request")
		}
		if a, ok := first.wait(req.Context()); ok {
			return a
		}
	}
}

// claim returns what is known of a request; mine says that it is new and the
// caller has to run it.
func (r *repeats) claim(scope, body digest, now time.Time) (first *repeat, mine bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, ok := r.known.Get(scope); ok && now.Sub(first.at) < repeatsAge {
		return first, false
	}
	first = &repeat{body: body, at: now, over: make(chan struct{}), asks: r.others != nil}
	r.known.Add(scope, first)
	return first, true
}

func (r *repeats) run(scope digest, first *repeat, f func() response) (a response) {
	defer func() { // also when f panics: others wait
		if a.status < 200 || a.status > 299 {
			r.forget(scope, first)
		} else {
			first.answer = a
			if len(a.body) > repeatsBody {
				first.answer.body, first.answer.preference = nil, ""
			}
			if r.others != nil {
				r.others.tell(scope, done{body: first.body, answer: first.answer})
			}
		}
		close(first.over)
	}()
	return f()
}

func (r *repeats) forget(scope digest, first *repeat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.known.Peek(scope); ok && known == first {
		r.known.Remove(scope)
	}
}

// wait returns the answer once it is there; false if there is to be none.
func (first *repeat) wait(ctx context.Context) (response, bool) {
	select {
	case <-first.over:
		return first.answer, first.answer.status != 0
	case <-ctx.Done():
		return givenUp, true
	}
}
