package channels

import (
	"context"
	"errors"

	"walcast/auth"
	"walcast/channels/fanout"
	"walcast/channels/resume"
	"walcast/channels/topics"
	"walcast/diagnose"
	"walcast/internal/heavy"
	"walcast/presence"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
)

// join answers phx_join. If the topic is joined already its channel is ended
// first; the reply to the new join comes before the old channel's phx_close,
// whatever the reply says.
func (s *Session) join(ctx context.Context, m protocol.Message) {
	old := s.joined(m.Topic)
	if old != nil {
		delete(s.channels, m.Topic)
		old.end(true)
	}
	if answered := s.admit(ctx, m, old); answered && old != nil {
		old.pushClose()
	}
}

// admit decides on a join and answers it, or has the answer wait: then answered
// is false, and the phx_close of the topic's old channel waits for it too.
func (s *Session) admit(ctx context.Context, m protocol.Message, old *channel) (answered bool) {
	j, err := s.authorise(ctx, m)
	if err == nil {
		err = j.register(ctx)
	}
	if err != nil {
		s.refuse(m, err)
		return true
	}
	if j.wait() > 0 {
		j.hold(old)
		return false
	}
	s.hub.heavy.If(len(j.bindings) >= heavy.Bindings, j.answer)
	return true
}

func (s *Session) refuse(m protocol.Message, err error) {
	joinRef, result := m.JoinRef, "refused"
	if errors.Is(err, protocol.RefuseUnmatchedTopic) {
		joinRef, result = "", "unmatched"
	}
	s.hub.metrics.joins.WithLabelValues(result).Inc()
	s.reply(joinRef, m, protocol.StatusError, protocol.Reason(err))
}

// joining is a join that is not answered yet: authorise makes it; register
// makes its channel a member of everything, while what is pushed for the
// channel waits in its outbox; answer sends the reply and opens the outbox.
type joining struct {
	session  *Session
	message  protocol.Message
	asked    *protocol.Join
	claims   *auth.Claims
	channel  *channel
	bindings []diagnose.Binding
	refused  *protocol.Problem // why no binding can work, nil if they may
	after    []changelog.Named // named by the bindings; zero for a binding without one
	missed   [][]byte          // broadcasts that the node has kept from which the client comes, encoded
}

// authorise decides whether a join is allowed, and makes its channel, which is
// not registered anywhere yet. An error is a protocol.Refusal, or has the text
// of one; the order of the checks is upstream's.
func (s *Session) authorise(ctx context.Context, m protocol.Message) (*joining, error) {
	h := s.hub
	subTopic, ok := subTopicOf(m.Topic)
	if !ok {
		return nil, protocol.RefuseUnmatchedTopic
	}
	if subTopic == "" {
		return nil, protocol.RefuseTopicNameRequired
	}
	isLong := len(m.Payload) >= heavy.Bytes
	var asked *protocol.Join
	var err error
	if h.heavy.If(isLong, func() { asked, err = protocol.ParseJoin(subTopic, m.Payload) }); err != nil {
		return nil, err
	}
	if h.config.PrivateOnly && !asked.Private {
		return nil, protocol.RefusePrivateOnly
	}
	weighs, err := s.room(subTopic, asked, len(m.Payload))
	if err != nil {
		return nil, err
	}
	token, claims, err := s.credentials(asked)
	if err != nil {
		return nil, err
	}
	if err := s.reserve(weighs); err != nil {
		return nil, err
	}
	j := &joining{session: s, message: m, asked: asked, claims: claims}
	h.heavy.If(isLong, func() { j.bindings, j.refused = diagnose.Parse(asked.Bindings) })
	weighs.steps = stepsOf(j.bindings)
	j.channel = s.newChannel(m, asked, weighs, newAccess(s, subTopic, asked.Private, token, claims, weighs.cost()))
	if err := j.channel.access.enter(ctx, asked.PresenceEnabled); err != nil {
		j.channel.access.release()
		return nil, err
	}
	return j, nil
}

func (s *Session) newChannel(m protocol.Message, asked *protocol.Join, weighs weight, a *access) *channel {
	ch := &channel{
		session: s,
		weight:  weighs,
		address: protocol.Address{Version: s.identity.Version, Topic: m.Topic, JoinRef: m.JoinRef},
		terms:   terms{closeRef: m.JoinRef, acks: asked.BroadcastAck},
		out:     newOutbox(s), access: a,
	}
	if m.JoinRef.IsNull() {
		ch.address.JoinRef = m.Ref
	}
	return ch
}

// credentials verifies the channel token, which defaults to the connection's.
func (s *Session) credentials(join *protocol.Join) (string, *auth.Claims, error) {
	token := s.identity.Token
	if join.AccessToken != nil {
		token = *join.AccessToken
	}
	claims, err := s.hub.expiry.verify(token)
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
	if !s.hub.policy.HasRoom(claims.Role, string(claims.Raw)) {
		return "", nil, protocol.RefuseTooManySubjects
	}
	return token, claims, nil
}

// register makes the channel a member of its topic, of the stream of changes
// and of its presence. What these push is sent after the reply. After an error
// nothing is registered.
func (j *joining) register(ctx context.Context) error {
	h, ch, client := j.session.hub, j.channel, j.session.identity.ClientID
	if j.refused != nil && j.wait() > 0 {
		ch.access.release()
		return protocol.Unserve(*j.refused)
	}
	topic := protocol.Topic{Name: ch.address.Topic, Private: j.asked.Private}
	known := j.recall(ctx, topic)
	ch.member = h.topics.Join(topic, topics.MemberConfig{
		Address: ch.address, Outbox: ch.out, Client: client,
		Self: j.asked.BroadcastSelf, Deaf: !ch.access.hears(),
		Replays: j.asked.Replay != nil, Returning: j.returning(known, topic),
	})
	ch.present = h.rooms.Member(topic, presence.MemberConfig{
		Key: j.asked.PresenceKey, Watches: j.asked.PresenceEnabled && ch.access.watches(),
		Client: client, Address: ch.address, Outbox: ch.out,
	})
	ch.present.Settle(ctx)
	ch.member.Settle(ctx)
	ch.bookmark.Listen(ch.member.HeardAtJoin())
	if ch.access.isBarred() {
		ch.bookmark.Bar()
	}
	if err := j.follow(ctx, topic, known); err != nil {
		ch.out.discard()
		ch.present.Leave(false)
		ch.member.Leave()
		ch.bookmark.Leave(now())
		ch.access.release()
		return err
	}
	ch.member.Alarm(ch.rows)
	if len(j.bindings) > 0 {
		h.policy.Glance(ctx) // what commits after the reply is younger than what is known of access
	}
	ch.present.Watches(j.asked.PresenceEnabled && ch.access.watches()) // which may have changed while it waited
	ch.reception.begin(ch.access.known())
	return nil
}

// follow subscribes to the stream of changes and fetches the stored messages
// that a replay asks for. A channel that starts live subscribes first, so that
// a message which is stored too late for the answer comes from the log. A
// channel that goes on where its client was subscribes afterwards, as what was
// missed may be more than may wait in its outbox.
func (j *joining) follow(ctx context.Context, topic protocol.Topic, known resume.Known) error {
	ch := j.channel
	start := j.start(known)
	if j.asked.Replay == nil {
		j.subscribe(start)
		return nil
	}
	if !ch.access.hears() {
		return ch.access.notReadable()
	}
	isLive := start.From == fanout.Live
	if isLive {
		j.subscribe(start)
	}
	var stored []topics.Stored
	var err error
	if !ch.out.bound(waitingLimit, func() { stored, err = j.fetch(ctx, topic) }) {
		err = protocol.RefuseReplayFailed
	}
	if err == nil {
		err = ch.member.Replay(stored)
	}
	switch {
	case err == nil && !isLive:
		j.subscribe(start)
	case err != nil && isLive:
		ch.rows.Close()
	}
	return err
}

// fetch reads the stored messages that a replay asks for.
func (j *joining) fetch(ctx context.Context, topic protocol.Topic) ([]topics.Stored, error) {
	done, err := j.session.hub.policy.Join(ctx, j.channel.access.acting())
	if err != nil {
		return nil, protocol.RefuseReplayFailed
	}
	defer done()
	return j.session.hub.topics.Fetch(ctx, topic, *j.asked.Replay)
}

// subscribe makes the channel a subscription to the stream of changes.
func (j *joining) subscribe(start fanout.Start) {
	ch, h := j.channel, j.session.hub
	ch.rows = h.fanout.Subscribe(fanout.Request{
		Address: ch.address,
		Topic:   protocol.Topic{Name: ch.address.Topic, Private: j.asked.Private},
		Subject: ch.access.acting(), Bindings: j.bindings, After: j.after,
		Member: ch.member, Outbox: ch.out, Session: &j.session.shared,
		Dedicated: ch.weight.exceedsLane(j.session.held()),
		Client:    fanout.Client{Legacy: j.asked.Legacy, Recognised: ch.bookmark != nil, Histories: j.histories()},
		Checks: fanout.Checks{
			Published: func(schema, table string) { h.arming.recheck(ch, catalog.TableName{Schema: schema, Table: table}) },
			Broken:    func(b *protocol.Binding) bool { return h.arming.armed.isBroken(ch, b) },
			Doubtful:  func() { h.arming.armed.doubt(ch) },
		},
	}, start)
	if at := ch.rows.Started(); at.Position.IsZero() || at.History != (changelog.History{}) {
		ch.bookmark.Start(at)
	}
}

// answer registers the channel with its session, sends the reply and says
// whether the bindings work.
func (j *joining) answer() {
	ch := j.channel
	if ch.out.deferral != nil { // of an event stream: hold has entered it and had it checked
		j.reply(nil)
		return
	}
	// First, so that nothing that ends channels misses one whose client was answered.
	j.enter()
	j.reply(nil)
	switch {
	case j.refused != nil:
		ch.problem(protocol.StatusError, *j.refused)
	case len(j.bindings) > 0:
		j.session.hub.arming.check(ch)
	}
}

// enter registers the channel with its session, and with all that may end it.
func (j *joining) enter() {
	ch, h := j.channel, j.session.hub
	h.metrics.channels.Inc()
	j.session.channels[ch.address.Topic] = ch
	h.expiry.watch(ch, j.claims.Expires)
	h.roster.joined(ch)
	if ch.access.private {
		h.readers.join(ch)
	}
}

// reply sends the reply, what has waited for it in the outbox, and the messages
// that a join asks for or causes: warnings, and the end of the channel that it has
// replaced, if its client is still to be told of that. It is false, and sends
// nothing, if the channel has ended before.
func (j *joining) reply(replaced *channel) bool {
	s, ch, h := j.session, j.channel, j.session.hub
	position, history := j.begins()
	var following []*protocol.Frame
	for _, warning := range j.asked.Warnings {
		following = append(following, ch.address.System(protocol.ExtensionSystem, protocol.StatusOK, warning))
	}
	isReady := j.asked.ReplicationReady && h.readiness.isFollowing()
	if isReady {
		following = append(following, ch.address.System(protocol.ExtensionSystem, protocol.StatusOK, protocol.MessageReplicationReady))
	}
	if replaced != nil {
		following = append(following, replaced.closing())
	}
	// A join without join_ref is answered without one.
	reply := ch.address.Version.Joined(j.message, ch.terms.closeRef, position, j.asked.Response(position, history))
	if !ch.out.open(reply, following...) {
		return false
	}
	h.metrics.joins.WithLabelValues("ok").Inc()
	for i := range j.asked.Bindings { // slices of the whole payload, which need not stay
		j.asked.Bindings[i].Raw, j.asked.Bindings[i].Resume = nil, nil
	}
	s.ledger.Add(ch)
	if ch.ended.Load() { // its end may have come first
		s.ledger.Remove(ch)
	}
	if s.streams() {
		s.stream.Store(ch)
	}
	if j.asked.ReplicationReady && !isReady {
		h.readiness.tell(ch)
	}
	return true
}
