package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	refreshEvery = 5 * time.Minute // how late a withdrawn key is noticed
	unknownEvery = 10 * time.Second
	retryAfter   = 5 * time.Second
	fetchTimeout = 5 * time.Second
	maxJWKS      = 1 << 20
)

// remote is the key set behind a URL. Whatever goes wrong, the last good set
// stays in use.
type remote struct {
	url    string
	client *http.Client
	log    *slog.Logger
	keys   atomic.Pointer[keySet]

	mu      sync.Mutex
	unknown *rate.Limiter // spends one token for each fetch that a token caused
	running chan struct{} // closed when the fetch in progress ends; nil for none
}

func newRemote(url string, log *slog.Logger) *remote {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &remote{
		url: url, client: &http.Client{Timeout: fetchTimeout}, log: log.With("component", "auth"),
		unknown: rate.NewLimiter(rate.Every(unknownEvery), 1),
	}
}

// run keeps the set fresh until ctx is done.
func (r *remote) run(ctx context.Context) {
	for {
		wait := refreshEvery
		if err := r.fetch(ctx); err != nil && ctx.Err() == nil {
			wait = retryAfter
			r.log.Warn("key set not refreshed", "err", err, "retry_in", wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// missing fetches because a token names a key that the set lacks. It fetches
// at most once in ten seconds however many such tokens come; a token that comes
// during a fetch waits for it.
func (r *remote) missing() {
	r.mu.Lock()
	if done := r.running; done != nil {
		r.mu.Unlock()
		<-done
		return
	}
	if !r.unknown.Allow() {
		r.mu.Unlock()
		return
	}
	done := make(chan struct{})
	r.running = done
	r.mu.Unlock()

	// The token's owner may be gone, but others wait for this answer.
	if err := r.fetch(context.Background()); err != nil {
		r.log.Warn("key set not refreshed", "err", err)
	}
	r.mu.Lock()
	r.running = nil
	r.mu.Unlock()
	close(done)
}

// withoutURL takes the URL out of an error of the client: its query may hold a
// key.
func withoutURL(err error) error {
	var told *url.Error
	if errors.As(err, &told) {
		return told.Err
	}
	return err
}

func (r *remote) fetch(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return errors.New("fetch key set: the URL is not valid")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("fetch key set: %w", withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetch key set: status %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS))
	if err != nil {
		return fmt.Errorf("fetch key set: %w", err)
	}
	if len(body) == 0 {
		return errors.New("fetch key set: the answer is empty")
	}
	set, err := parseJWKS(string(body))
	if err != nil {
		return fmt.Errorf("fetch key set: %w", err)
	}
	// An equal set keeps its pointer, and with it the tokens verified so far.
	if old := r.keys.Load(); old == nil || old.raw != set.raw {
		r.keys.Store(set)
	}
	return nil
}
