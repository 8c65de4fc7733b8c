package channels

import (
	"context"
	"errors"

	"walcast/auth"
	"walcast/filters"
	"walcast/protocol"
	"walcast/replication/wal"
)

// join answers phx_join. A topic that was joined already is left first; the
// reply to the new join comes before the old channel's phx_close, whatever the
// reply says (wire reference 3.7).
func (s *Session) join(ctx context.Context, m protocol.Message) {
	old := s.joined(m.Topic)
	if old != nil {
		delete(s.channels, m.Topic)
	}
	answer := func() { s.admit(ctx, m) }
	if old == nil {
		answer()
		return
	}
	old.linger()
	old.end(func() {
		answer()
		old.pushClose()
	})
}

// admit decides on a join and answers it.
func (s *Session) admit(ctx context.Context, m protocol.Message) {
	subTopic, ok := subTopicOf(m.Topic)
	if !ok {
		s.hub.metrics.joins.WithLabelValues("unmatched").Inc()
		s.reply("", m, protocol.StatusError, protocol.Reason(protocol.RefuseUnmatchedTopic))
		return
	}
	ch, join, err := s.decide(ctx, m, subTopic)
	if err != nil {
		s.hub.metrics.joins.WithLabelValues("refused").Inc()
		s.reply(m.JoinRef, m, protocol.StatusError, protocol.Reason(err))
		return
	}
	s.begin(ch, join, m)
}

// begin answers a join that was decided on, and has everything follow.
func (s *Session) begin(ch *channel, join *protocol.Join, m protocol.Message) {
	s.hub.metrics.joins.WithLabelValues("ok").Inc()
	s.hub.metrics.channels.Inc()
	s.channels[m.Topic] = ch
	s.hub.start(ch, join, m)
}

// decide makes the channel of a join, or says why not; the error's text is the
// reason for the client. The order of checks is wire reference 3.5's.
func (s *Session) decide(ctx context.Context, m protocol.Message, subTopic string) (*channel, *protocol.Join, error) {
	h := s.hub
	if subTopic == "" {
		return nil, nil, protocol.RefuseTopicNameRequired
	}
	join, err := protocol.ParseJoin(subTopic, m.Payload)
	if err != nil {
		return nil, nil, err
	}
	if h.config.PrivateOnly && !join.Private {
		return nil, nil, protocol.RefusePrivateOnly
	}
	if h.config.MaxChannels > 0 && s.live() >= h.config.MaxChannels {
		h.metrics.limited.WithLabelValues(limitChannels).Inc()
		return nil, nil, protocol.RefuseTooManyChannels
	}
	token, claims, err := s.credentials(join)
	if err != nil {
		return nil, nil, err
	}
	ch := &channel{
		session:  s,
		ref:      m.JoinRef,
		closeRef: m.JoinRef,
		config:   channelConfig{ack: join.BroadcastAck, self: join.BroadcastSelf, legacy: join.Legacy},
		token:    token,
		expires:  claims.Expires,
		subject:  h.policy.Subject(claims.Role, string(claims.Raw)),
		shard:    h.shardOf(m.Topic),
		member:   h.newMember(join.PresenceKey, join.PresenceEnabled),
	}
	if s.identity.ClientID != "" {
		ch.who = &bookmarkKey{s.identity.ClientID, m.Topic, join.Private, claims.Role, claims.Subject}
	}
	if ch.ref.IsNull() {
		ch.ref = m.Ref
	}
	if err := ch.authorize(ctx, subTopic, join); err != nil {
		h.policy.Release(ch.subject)
		return nil, nil, err
	}
	if err := ch.fetch(ctx, topicKey{name: m.Topic, private: join.Private}, join); err != nil {
		h.policy.Release(ch.subject)
		return nil, nil, err
	}
	return ch, join, nil
}

// credentials verifies the channel token, which defaults to the connection's.
func (s *Session) credentials(join *protocol.Join) (string, *auth.Claims, error) {
	token := s.identity.Token
	if join.AccessToken != nil {
		token = *join.AccessToken
	}
	claims, err := s.hub.verifier.Verify(token, now())
	if err != nil {
		var refused *auth.Error
		switch {
		case errors.As(err, &refused) && refused.Code != "":
			return "", nil, protocol.Refusal{Code: refused.Code, Text: refused.Text}
		case refused != nil: // upstream has no text for it
			return "", nil, protocol.RefuseUnknown
		}
		return "", nil, err
	}
	return token, claims, nil
}

// live counts the session's channels that have not ended.
func (s *Session) live() (n int) {
	for name, ch := range s.channels {
		if ch.ended.Load() {
			delete(s.channels, name)
			continue
		}
		n++
	}
	return n
}

// start makes an admitted channel live: its bindings match before the reply is
// queued, and what arrives meanwhile follows the reply.
func (h *Hub) start(ch *channel, join *protocol.Join, m protocol.Message) {
	key := topicKey{name: m.Topic, private: join.Private}
	ch.bindings, ch.config.refused = h.bind(ch, join)
	from, listened, known := h.recall(ch, join)
	told := known == remembered && len(ch.bindings) > 0 && from.Position.Compare(h.log.Oldest()) < 0 // of rows, soon
	reply := func(from wal.Position) {
		h.enter(key, ch, func() {
			// A join without join_ref is answered without one (wire reference 3.6).
			ch.session.out.Push(ch.session.identity.Version.Joined(m, ch.closeRef, written(from), join.Response(written(from))))
			for i := range join.Bindings { // a slice of the whole payload, which need not stay
				join.Bindings[i].Raw = nil
			}
			ch.retell(listened, from, told)
		})
	}
	switch {
	case len(ch.bindings) == 0:
		reply(wal.Position{})
		if known == forgotten {
			ch.resync(h.unknown())
		}
	case h.resume(ch, known, reply):
	case h.goOn(ch, from, known, reply):
	default:
		ch.shard.direct.attach(ch, reply)
	}
	ch.session.ledger.add(ch)
	h.welcome(ch, join)
}

// welcome says what there is to say after the reply.
func (h *Hub) welcome(ch *channel, join *protocol.Join) {
	for _, warning := range join.Warnings {
		ch.system(protocol.ExtensionSystem, protocol.StatusOK, warning)
	}
	h.expiry.watch(ch, h.nextCheck(ch.expires))
	if join.ReplicationReady {
		h.tellReplication(ch)
	}
	switch {
	case ch.config.refused != nil:
		ch.problem(protocol.StatusError, *ch.config.refused)
	case len(ch.bindings) > 0:
		h.arming.check(ch)
	}
}

// bind makes the bindings of a join. If one cannot be served none is, and the
// problem says why (wire reference 4.4).
func (h *Hub) bind(ch *channel, join *protocol.Join) (bindings []*binding, refused *protocol.Problem) {
	for i := range join.Bindings {
		spec := &join.Bindings[i]
		filter, err := filters.Parse(spec.Filter)
		if spec.Err != "" || err != nil {
			return nil, invalid(spec, err)
		}
		bindings = append(bindings, &binding{
			channel: ch, subject: ch.subject, spec: spec, filter: filter,
			events: eventsOf(spec.Event), idText: idsText(spec.ID),
		})
	}
	return bindings, nil
}

// eventsOf reads a binding's event; "*" is what it always was upstream, and
// TRUNCATE has to be asked for by name.
func eventsOf(event string) filters.EventSet {
	switch event {
	case "INSERT":
		return filters.Events(wal.Insert)
	case "UPDATE":
		return filters.Events(wal.Update)
	case "DELETE":
		return filters.Events(wal.Delete)
	case "TRUNCATE":
		return filters.Events(wal.Truncate)
	}
	return filters.Events(wal.Insert, wal.Update, wal.Delete)
}
