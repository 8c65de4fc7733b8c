package gateway

import (
	"time"

	"golang.org/x/time/rate"

	"walcast/protocol"
)

// How often a session may be refused a message before it is closed: a client that
// slows down when it gets an error never comes near.
const (
	refusalsPerSecond = 10
	refusalsBurst     = 100
)

// rates bounds what one session sends. It belongs to the session's reader.
type rates struct {
	messages, bytes, joins *rate.Limiter // nil for no limit
	refusals               *rate.Limiter
	turn                   int // bytes since others had theirs
}

func newRates(c *Config) *rates {
	r := &rates{refusals: rate.NewLimiter(refusalsPerSecond, refusalsBurst)}
	if n := c.MessagesPerSecond; n > 0 {
		r.messages = rate.NewLimiter(rate.Limit(n), n)
	}
	if n := c.JoinsPerSecond; n > 0 {
		r.joins = rate.NewLimiter(rate.Limit(n), n)
	}
	if n := c.BytesPerSecond; n > 0 {
		// The largest message must fit, or it could never be sent.
		r.bytes = rate.NewLimiter(rate.Limit(n), max(n, int(c.MaxFrame)))
	}
	return r
}

// A session that always has another message to read lets others run after some.
const (
	turnBytes    = 16 << 10
	messageBytes = 1 << 10 // what a message counts beside its size
)

// hadTurn counts a message of size bytes and reports whether it is for others to
// have a turn.
func (r *rates) hadTurn(size int) bool {
	if r.turn += messageBytes + size; r.turn < turnBytes {
		return false
	}
	r.turn = 0
	return true
}

// take takes a message of size bytes from the rates. It names the limit that is
// exceeded, "" for none, and why the message is refused.
func (r *rates) take(now time.Time, size int, join bool) (limit string, refusal protocol.Refusal) {
	switch {
	case r.messages != nil && !r.messages.AllowN(now, 1):
		return limitMessages, protocol.RefuseTooManyMessages
	case r.bytes != nil && !r.bytes.AllowN(now, size):
		return limitBytes, protocol.RefuseTooManyBytes
	case join && r.joins != nil && !r.joins.AllowN(now, 1):
		return limitJoins, protocol.RefuseTooManyJoins
	}
	return "", refusal
}
