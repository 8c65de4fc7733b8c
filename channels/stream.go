package channels

import (
	"context"

	"walcast/protocol"
	"walcast/replication/wal"
)

// streams reports whether the client reads an event stream: it has one topic,
// joined before the stream begins, and says nothing afterwards.
func (s *Session) streams() bool { return s.identity.Version == protocol.SSE }

// Stream is what the join of an event stream says beside its message.
type Stream struct {
	From string // the position after which its bindings go on, as given; "" is live
	Deaf bool   // it wants no broadcasts
}

// Admit decides on the join of an event stream. It pushes nothing, so that a
// refusal, whose text is the reason, can be told in place of a stream. begin
// answers the join and has everything follow; it must be called before Close.
func (s *Session) Admit(ctx context.Context, m protocol.Message, wanted Stream) (begin func(), err error) {
	begin, err = s.prepare(ctx, m, wanted)
	if err != nil {
		s.hub.metrics.joins.WithLabelValues("refused").Inc()
	}
	return begin, err
}

func (s *Session) prepare(ctx context.Context, m protocol.Message, wanted Stream) (begin func(), err error) {
	subTopic, ok := subTopicOf(m.Topic)
	if !ok {
		return nil, protocol.RefuseUnmatchedTopic
	}
	ch, join, err := s.decide(ctx, m, subTopic)
	if err != nil {
		return nil, err
	}
	if err := s.settle(ctx, ch, join, wanted.From); err != nil {
		s.hub.policy.Release(ch.subject)
		if ch.topic != nil { // it listens for what a replay owes
			s.hub.leave(ch)
		}
		return nil, err
	}
	ch.deaf = ch.deaf || wanted.Deaf
	return func() { s.begin(ch, join, m) }, nil
}

// settle says where the bindings start, and refuses those that cannot be served:
// on a socket that is told by an event.
func (s *Session) settle(ctx context.Context, ch *channel, join *protocol.Join, from string) error {
	if _, refused := s.hub.bind(ch, join); refused != nil {
		return protocol.Refusal{Text: refused.Message}
	}
	if from == "" {
		return s.hub.awaitLog(ctx, join)
	}
	for i := range join.Bindings {
		join.Bindings[i].ResumeFrom = from
	}
	return nil
}

// awaitLog waits until there is a position at which bindings start: a client
// that is cut before it has heard of one would miss changes and not know.
func (h *Hub) awaitLog(ctx context.Context, join *protocol.Join) error {
	if len(join.Bindings) == 0 || h.isFollowing() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.config.ResumeWait)
	defer cancel()
	_, _ = h.log.After(ctx, wal.Position{})
	if !h.isFollowing() {
		return protocol.RefuseDatabaseAway
	}
	return nil
}

// Pulse tells an event stream that it is alive and up to where it has everything.
// A client whose bindings rarely match goes on from there, and not from a change
// that has left the log.
func (s *Session) Pulse() {
	for _, ch := range s.ledger.joined() {
		ch.pulse()
	}
}

func (c *channel) pulse() {
	position := ""
	if place := c.lockPlace(); place != nil {
		// The lock is held until it is pushed: a change that overtook it would
		// come again after the next reconnect.
		defer place.mu.Unlock()
		if at := place.standing(c).Position; !at.IsZero() {
			position = at.String()
		}
	}
	c.session.out.Push(protocol.StreamAlive(position))
}
