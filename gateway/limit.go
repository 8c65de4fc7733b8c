package gateway

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"walcast/protocol"
)

// crowd counts open sessions, all and by address, against their limits.
type crowd struct {
	limit, limitEach int // 0 is none

	mu   sync.Mutex
	all  int
	each map[netip.Addr]int // empty without limitEach
}

func newCrowd(c Config) *crowd {
	return &crowd{limit: c.MaxSessions, limitEach: c.MaxSessionsPerAddress, each: map[netip.Addr]int{}}
}

// enter counts one more, or returns why it may not come in.
func (c *crowd) enter(a netip.Addr) *refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit > 0 && c.all >= c.limit {
		return refuseSessions
	}
	if c.limitEach > 0 {
		a = neighbourhood(a)
		if c.each[a] >= c.limitEach {
			return refuseAddress
		}
		c.each[a]++
	}
	c.all++
	return nil
}

// exit counts one less.
func (c *crowd) exit(a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.limitEach == 0 {
		return
	}
	a = neighbourhood(a)
	if c.each[a]--; c.each[a] == 0 {
		delete(c.each, a)
	}
}

// The values of the limit label of walcast_gateway_limited_total. Those of
// refused handshakes and of ended sessions are counted by reason, too.
const (
	limitSessions    = "sessions"
	limitAddress     = "address"
	limitMessages    = "messages"
	limitBytes       = "bytes"
	limitJoins       = "joins"
	limitMessageSize = "message_size"
	limitQueue       = "queue"
	limitIdle        = "idle"
)

// limitOf is the limit behind the end of a session, "" for other ends.
func limitOf(cause string) string {
	switch cause {
	case endTooBig:
		return limitMessageSize
	case endSlow:
		return limitQueue
	case endIdle:
		return limitIdle
	}
	return ""
}

// What a session may be refused before it is closed: a client that takes errors
// to heart never comes near.
const (
	refusalsPerSecond = 10
	refusalsBurst     = 100
)

// pace holds one session's rates. It belongs to the reader.
type pace struct {
	messages, bytes, joins *rate.Limiter // nil for no limit
	refusals               *rate.Limiter
}

func newPace(c Config) *pace {
	p := &pace{refusals: rate.NewLimiter(refusalsPerSecond, refusalsBurst)}
	if n := c.MessagesPerSecond; n > 0 {
		p.messages = rate.NewLimiter(rate.Limit(n), n)
	}
	if n := c.JoinsPerSecond; n > 0 {
		p.joins = rate.NewLimiter(rate.Limit(n), n)
	}
	if n := c.BytesPerSecond; n > 0 {
		// The largest message must fit, or it could never be sent.
		p.bytes = rate.NewLimiter(rate.Limit(n), max(n, int(c.MaxFrame)))
	}
	return p
}

// exceeds counts a message of size bytes and reports whether it is above the
// session's rate and was dealt with: answered with an error where it can be, or,
// after many, by closing the session. Heartbeats count, but are not refused: an
// unanswered one makes the client think that the server is gone.
func (s *session) exceeds(m protocol.Message, readable bool, size int) bool {
	if c := s.gateway.config; c.MessagesPerSecond == 0 && c.BytesPerSecond == 0 && c.JoinsPerSecond == 0 {
		return false
	}
	if s.pace == nil {
		s.pace = newPace(s.gateway.config)
	}
	limit, refusal := s.pace.over(time.Now(), size, readable && m.Event == protocol.EventJoin)
	if limit == "" {
		return false
	}
	s.gateway.metrics.limited.WithLabelValues(limit).Inc()
	switch {
	case !s.pace.refusals.Allow():
		s.end(endFlood, protocol.CloseFrame(protocol.ClosePolicy, refusal.Text), true)
	case readable && m.Topic == protocol.TopicPhoenix && m.Event == protocol.EventHeartbeat:
		return false
	case readable && !m.Ref.IsNull():
		s.Push(s.version.ReplyTo(m, m.JoinRef, protocol.StatusError, protocol.Reason(refusal)))
	}
	return true
}

// over takes from the rates and names the one that is exceeded.
func (p *pace) over(now time.Time, size int, join bool) (limit string, refusal protocol.Refusal) {
	switch {
	case p.messages != nil && !p.messages.AllowN(now, 1):
		return limitMessages, protocol.RefuseTooManyMessages
	case p.bytes != nil && !p.bytes.AllowN(now, size):
		return limitBytes, protocol.RefuseTooManyBytes
	case join && p.joins != nil && !p.joins.AllowN(now, 1):
		return limitJoins, protocol.RefuseTooManyJoins
	}
	return "", refusal
}
