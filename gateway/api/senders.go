package api

import (
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// sendersKnown is how many senders are told apart; one that was forgotten has its
// whole burst again.
const sendersKnown = 16 << 10

// The limits that a request can run into, by the label of
// walcast_gateway_limited_total.
const (
	limitMessages = "messages"
	limitBytes    = "bytes"
	limitEndings  = "endings"
)

// The responses to too many broadcasts, in upstream's words.
var (
	tooManyMessages = message(http.StatusTooManyRequests, "You have exceeded your rate limit")
	tooManyAtOnce   = message(http.StatusTooManyRequests, "Too many messages to broadcast, please reduce the batch size")
)

// senders holds the rates at which broadcasts are sent over HTTP, the same as
// those of a session. A sender is a token's role and subject, or a network where
// the token names no subject; service_role is the operator's own and has no limit.
type senders struct {
	config  Config
	gateway Gateway
	known   *lru.Cache[string, *senderRates]
	spent   *spending // nil without a cluster
}

// senderRates is one sender's.
type senderRates struct {
	messages, bytes *rate.Limiter // nil for no limit
}

func newSenders(c Config, g Gateway) *senders {
	known, err := lru.New[string, *senderRates](sendersKnown)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &senders{config: c, gateway: g, known: known}
}

// take takes the request's broadcasts from its sender's rates. If they exceed one
// of them it counts that and returns the response that says so.
func (s *senders) take(r request, messages int) *response {
	limit, exceeded := s.exceed(r, time.Now(), messages)
	if exceeded != nil {
		s.gateway.Limited(limit)
	}
	return exceeded
}

func (s *senders) exceed(r request, now time.Time, messages int) (limit string, exceeded *response) {
	if s.config.MessagesPerSecond == 0 && s.config.BytesPerSecond == 0 || r.claims.Role == serviceRole {
		return "", nil
	}
	sender := s.name(r)
	rates := s.named(sender)
	switch {
	case rates.messages != nil && !rates.messages.AllowN(now, messages):
		if rates.messages.TokensAt(now) >= 1 {
			return limitMessages, &tooManyAtOnce
		}
		return limitMessages, &tooManyMessages
	case rates.bytes != nil && !rates.bytes.AllowN(now, len(r.body)):
		return limitBytes, &tooManyMessages
	}
	s.spent.note(sender, messages, len(r.body))
	return "", nil
}

// name tells a request's sender from others.
func (s *senders) name(r request) string {
	name := r.claims.Role + "\x00" + r.claims.Subject
	if r.claims.Subject == "" {
		name += "\x00" + s.gateway.Network(r.Request).String()
	}
	return name
}

// named are the rates of a sender.
func (s *senders) named(key string) *senderRates {
	if known, ok := s.known.Get(key); ok {
		return known
	}
	rates := &senderRates{}
	if n := s.config.MessagesPerSecond; n > 0 {
		rates.messages = rate.NewLimiter(rate.Limit(n), n)
	}
	if n := s.config.BytesPerSecond; n > 0 {
		rates.bytes = rate.NewLimiter(rate.Limit(n), max(n, maxBody)) // the largest body must fit
	}
	if first, ok, _ := s.known.PeekOrAdd(key, rates); ok { // another request of the sender came first
		return first
	}
	return rates
}
