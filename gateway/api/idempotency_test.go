package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"walcast/auth"
)

func requestWith(key, subject, body string) request {
	r := httptest.NewRequest(http.MethodPost, "/api/broadcast", nil)
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return request{Request: r, token: "token of " + subject, claims: &auth.Claims{Role: "authenticated"}, body: []byte(body)}
}

func TestRepeatsAreAnsweredAndNotDone(t *testing.T) {
	r, now := newRepeats(), time.Now()
	for _, c := range []struct {
		name               string
		key, subject, body string
		later              time.Duration
		does               bool
		status             int
	}{
		{"first", "k", "ann", "{}", 0, true, 202},
		{"again", "k", "ann", "{}", 4 * time.Minute, false, 202},
		{"another body", "k", "ann", "{ }", time.Minute, false, 422},
		{"another token", "k", "bob", "{}", time.Minute, true, 202},
		{"another key", "l", "ann", "{}", time.Minute, true, 202},
		{"no key", "", "ann", "{}", time.Minute, true, 202},
		{"after five minutes", "k", "ann", "{}", 5 * time.Minute, true, 202},
		{"long key", strings.Repeat("k", 256), "ann", "{}", 0, false, 400},
	} {
		did := false
		got := r.do(requestWith(c.key, c.subject, c.body), now.Add(c.later), func() response {
			did = true
			return response{status: http.StatusAccepted}
		})
		if did != c.does || got.status != c.status {
			t.Errorf("%s: done %t, %d; want %t, %d", c.name, did, got.status, c.does, c.status)
		}
	}
}

// TestARepeatIsTheSameInAllThatCounts: a key that is used for a public message says nothing of
// a private one, nor of one that is kept.
func TestARepeatIsTheSameInAllThatCounts(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"private": func(r *http.Request) { r.URL.RawQuery = "private=true" },
		"persist": func(r *http.Request) { r.URL.RawQuery = "private=false&persist=true" },
		"type":    func(r *http.Request) { r.Header.Set("Content-Type", "application/octet-stream") },
	} {
		r, accepted := newRepeats(), func() response { return response{status: http.StatusAccepted} }
		r.do(requestWith("k", "ann", "{}"), time.Now(), accepted)
		again := requestWith("k", "ann", "{}")
		change(again.Request)
		if got := r.do(again, time.Now(), accepted); got.status != http.StatusUnprocessableEntity {
			t.Errorf("another %s = %d; want 422", name, got.status)
		}
	}
}

func TestRefusedRequestsAreTriedAgain(t *testing.T) {
	r := newRepeats()
	for i, status := range []int{422, 500, 202, 202} {
		got := r.do(requestWith("k", "ann", "{}"), time.Now(), func() response { return response{status: status} })
		if got.status != status {
			t.Errorf("attempt %d = %d; want %d", i, got.status, status)
		}
	}
}

func TestRepeatsAtOnceWaitForTheFirst(t *testing.T) {
	r := newRepeats()
	var done atomic.Int32
	var wait sync.WaitGroup
	for range 50 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			got := r.do(requestWith("k", "ann", "{}"), time.Now(), func() response {
				done.Add(1)
				return response{status: http.StatusAccepted, body: []byte("x")}
			})
			if got.status != http.StatusAccepted || string(got.body) != "x" {
				t.Errorf("answer = %d %s; want 202 x", got.status, got.body)
			}
		}()
	}
	wait.Wait()
	if done.Load() != 1 {
		t.Errorf("done %d times; want once", done.Load())
	}
}

func TestARepeatThatIsGivenUpDoesNotWait(t *testing.T) {
	r := newRepeats()
	first := requestWith("k", "ann", "{}")
	r.do(first, time.Now(), func() response {
		again := requestWith("k", "ann", "{}")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		again.Request = again.WithContext(ctx)
		if got := r.do(again, time.Now(), func() response { return response{status: 202} }); got.status != http.StatusServiceUnavailable {
			t.Errorf("answer = %d; want 503", got.status)
		}
		return response{status: http.StatusAccepted}
	})
}

func TestRepeatsAreBounded(t *testing.T) {
	r := newRepeats()
	for i := range 2 * repeatsKnown {
		r.do(requestWith(fmt.Sprint(i), "ann", ""), time.Now(), func() response {
			return response{status: http.StatusAccepted, body: make([]byte, repeatsBody+1)}
		})
	}
	if n := r.known.Len(); n != repeatsKnown {
		t.Errorf("%d keys are remembered; want %d", n, repeatsKnown)
	}
	_, newest, _ := r.known.GetOldest()
	if newest.answer.body != nil {
		t.Error("a long answer is remembered")
	}
}
