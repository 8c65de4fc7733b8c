package channels

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"walcast/auth"
	"walcast/channels/fanout"
	"walcast/channels/resume"
	"walcast/protocol"
)

// Outbox is all that a session needs to know of its socket.
type Outbox interface {
	// Push queues a frame. It never blocks; a full outbox ends the session.
	Push(*protocol.Frame)
	// Close sends what is queued, then a close frame, and ends the session.
	Close(code int, reason string)
}

// Identity is what a handshake said.
type Identity struct {
	Version  protocol.Version
	Token    string       // connection token
	Claims   *auth.Claims // of the connection token
	Session  SessionID    // names the session
	ClientID string       // client_id parameter, "" for none
	Headers  string       // x-* headers as a JSON object, for private channels' policies
}

// Session is one client connection's joined topics. Handle and Close belong to
// the goroutine that reads the socket.
type Session struct {
	hub      *Hub
	out      Outbox
	identity Identity // without Claims and Headers, which may be large
	sub      string   // of the claims
	headers  json.RawMessage
	channels map[string]*channel     // by topic; an entry may have ended meanwhile
	account  account                 // what they hold
	ledger   *resume.Ledger          // nil without a client_id
	stream   atomic.Pointer[channel] // the only channel of an event stream
	shared   fanout.Session          // what its channels' subscriptions share
}

// Open starts a session on an outbox. The caller must Close it.
func (h *Hub) Open(out Outbox, id Identity) *Session {
	s := &Session{hub: h, out: out, identity: id, headers: json.RawMessage(id.Headers), channels: map[string]*channel{}}
	s.account.all = &h.holdings
	s.identity.Claims, s.identity.Headers = nil, ""
	if id.Claims != nil {
		s.sub = id.Claims.Subject
	}
	if id.ClientID != "" {
		s.ledger = &resume.Ledger{}
	}
	h.roster.opened(s)
	return s
}

// Handle acts on one message; replies go to the outbox.
func (s *Session) Handle(ctx context.Context, m protocol.Message) {
	switch {
	case m.Topic == protocol.TopicPhoenix && m.Event == protocol.EventHeartbeat:
		s.reply("", m, protocol.StatusOK, protocol.EmptyObject)
	case m.Event == protocol.EventJoin:
		s.join(ctx, m)
	case m.Event == protocol.EventLeave:
		s.leave(m)
	default:
		if ch := s.joined(m.Topic); ch != nil {
			ch.handle(ctx, m)
			return
		}
		s.reply("", m, protocol.StatusError, protocol.Reason(protocol.RefuseUnmatchedTopic))
	}
}

// Close leaves all topics; the outbox is not used afterwards.
func (s *Session) Close() {
	for name, ch := range s.channels {
		ch.end(true)
		delete(s.channels, name)
	}
	s.hub.roster.closed(s)
}

// joined returns the live channel of a topic, or nil.
func (s *Session) joined(topicName string) *channel {
	ch := s.channels[topicName]
	if ch == nil || !ch.ended.Load() {
		return ch
	}
	delete(s.channels, topicName)
	return nil
}

// leave answers phx_leave. To leave a topic that is not joined is no error. A
// leave without join_ref ends the join that there is, as several clients never
// name one. A leave with the join_ref of an earlier join is ignored.
func (s *Session) leave(m protocol.Message) {
	ch := s.joined(m.Topic)
	if ch == nil {
		s.reply(m.JoinRef, m, protocol.StatusOK, protocol.EmptyObject)
		return
	}
	if !m.JoinRef.IsNull() && !ch.terms.closeRef.IsNull() && m.JoinRef != ch.terms.closeRef {
		return
	}
	delete(s.channels, m.Topic)
	ch.bookmark.Discard()
	ch.present.Untrack()
	if ch.end(false) {
		s.reply(ch.address.JoinRef, m, protocol.StatusOK, protocol.EmptyObject)
		ch.pushClose()
	}
}

func (s *Session) reply(joinRef protocol.Ref, m protocol.Message, status string, response []byte) {
	s.out.Push(s.identity.Version.ReplyTo(m, joinRef, status, response))
}

// Mark returns the payload of a ping whose pong proves that everything has
// arrived that was pushed before. The session must have a client_id; only one
// goroutine at a time may call Mark and push the ping.
func (s *Session) Mark() string { return s.ledger.Mark() }

// Proven takes the payload of a pong. A pong to no ping of this session proves
// nothing.
func (s *Session) Proven(payload string) { s.ledger.Proven(payload) }

// named is the sub claim of the connection token.
func (s *Session) named() string { return s.sub }

// subTopicOf returns what follows "realtime:", and whether the topic begins
// with it.
func subTopicOf(topicName string) (string, bool) {
	return strings.CutPrefix(topicName, protocol.TopicPrefix)
}

// now is the only clock for the package's decisions about tokens.
func now() time.Time { return time.Now() }
