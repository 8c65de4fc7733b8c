package gateway

import (
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// sendersKnown is how many senders are told apart; who was forgotten has its
// whole burst again.
const sendersKnown = 16 << 10

// What those hear who send too much over HTTP (wire reference 11.2).
var (
	tooManyMessages = message(http.StatusTooManyRequests, "You have exceeded your rate limit")
	tooManyAtOnce   = message(http.StatusTooManyRequests, "Too many messages to broadcast, please reduce the batch size")
)

// senders holds the rates of those who broadcast over HTTP, the same as those of
// a session. A sender is a token's role and subject, or an address where the
// token names none; service_role is the operator's own and has no limit.
type senders struct {
	config Config
	known  *lru.Cache[string, *senderRates]
}

// senderRates is one sender's.
type senderRates struct {
	messages, bytes *rate.Limiter // nil for no limit
}

func newSenders(c Config) *senders {
	known, err := lru.New[string, *senderRates](sendersKnown)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &senders{config: c, known: known}
}

// over takes a call's broadcasts from its sender's rates. If they exceed one it
// returns which, and the answer.
func (s *senders) over(c call, now time.Time, messages int) (limit string, refused *response) {
	if s.config.MessagesPerSecond == 0 && s.config.BytesPerSecond == 0 || c.claims.Role == serviceRole {
		return "", nil
	}
	r := s.of(c)
	switch {
	case r.messages != nil && !r.messages.AllowN(now, messages):
		if r.messages.TokensAt(now) >= 1 {
			return limitMessages, &tooManyAtOnce
		}
		return limitMessages, &tooManyMessages
	case r.bytes != nil && !r.bytes.AllowN(now, len(c.body)):
		return limitBytes, &tooManyMessages
	}
	return "", nil
}

func (s *senders) of(c call) *senderRates {
	key := c.claims.Role + "\x00" + c.claims.Subject
	if c.claims.Subject == "" {
		key += "\x00" + neighbourhood(s.config.clientAddress(c.Request)).String()
	}
	if known, ok := s.known.Get(key); ok {
		return known
	}
	r := &senderRates{}
	if n := s.config.MessagesPerSecond; n > 0 {
		r.messages = rate.NewLimiter(rate.Limit(n), n)
	}
	if n := s.config.BytesPerSecond; n > 0 {
		r.bytes = rate.NewLimiter(rate.Limit(n), max(n, maxBody)) // the largest body must fit
	}
	if first, ok, _ := s.known.PeekOrAdd(key, r); ok { // another request of it was first
		return first
	}
	return r
}

// exceeds refuses a call whose broadcasts are too many.
func (g *Gateway) exceeds(c call, messages int) *response {
	limit, refused := g.senders.over(c, time.Now(), messages)
	if refused != nil {
		g.metrics.limited.WithLabelValues(limit).Inc()
	}
	return refused
}
