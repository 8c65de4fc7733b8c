package channels

import (
	"context"

	"walcast/protocol"
	"walcast/replication/wal"
)

// streams reports whether the client reads an event stream. It has one topic
// then, which is joined before the stream begins, and sends nothing afterwards.
func (s *Session) streams() bool { return s.identity.Version.IsStream() }

// Stream is what the join of an event stream says beside its message.
type Stream struct {
	Resume protocol.Resume // where its bindings go on; without a position they are live
	Deaf   bool            // it is not to get broadcasts
}

// Admit decides on the join of an event stream. It pushes nothing, so that a
// refusal, whose text is the reason, can be the answer to the request. begin
// sends the reply to the join and what follows it; it must be called before
// Close.
func (s *Session) Admit(ctx context.Context, m protocol.Message, wanted Stream) (begin func(), err error) {
	j, err := s.admitStream(ctx, m, wanted)
	if err != nil {
		s.hub.metrics.joins.WithLabelValues("refused").Inc()
		return nil, err
	}
	return j.answer, nil
}

func (s *Session) admitStream(ctx context.Context, m protocol.Message, wanted Stream) (*joining, error) {
	j, err := s.authorise(ctx, m)
	if err != nil {
		return nil, err
	}
	j.channel.access.deaf = wanted.Deaf
	if err := j.startAt(ctx, wanted.Resume); err != nil {
		j.channel.access.release()
		return nil, err
	}
	if err := j.register(ctx); err != nil || j.wait() == 0 {
		return j, err
	}
	// The request alone waits for this, and its status can still be a refusal.
	return j, <-j.hold(nil).outcome
}

// startAt sets the position after which the bindings of a stream start, if there is
// one. It refuses bindings that cannot work: the client of an event stream
// learns that from the answer to its request, a client on a socket by a system
// message after the reply.
func (j *joining) startAt(ctx context.Context, at protocol.Resume) error {
	if j.refused != nil {
		return protocol.Unserved{Refusal: protocol.Refusal{Text: j.refused.Message}, Problem: *j.refused}
	}
	for i := range j.asked.Bindings {
		j.asked.Bindings[i].Resume = &at
	}
	if at.From == "" {
		return j.awaitLog(ctx)
	}
	return nil
}

// awaitLog waits until there is a position at which bindings can start: a
// client whose stream is cut before it has had a position would miss changes
// without knowing.
func (j *joining) awaitLog(ctx context.Context) error {
	h := j.session.hub
	if len(j.bindings) == 0 || h.readiness.isFollowing() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.config.ResumeWait)
	defer cancel()
	_, _ = h.log.After(ctx, wal.Position{})
	if !h.readiness.isFollowing() {
		return protocol.RefuseDatabaseAway
	}
	return nil
}

// Pulse pushes a sign of life to an event stream, with the position up to which
// it has sent everything. A client whose bindings rarely match goes on from
// there, and not from a change that has left the log.
func (s *Session) Pulse() {
	if ch := s.stream.Load(); ch != nil {
		ch.pulse()
	}
}
