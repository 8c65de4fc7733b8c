package channels

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"walcast/auth"
	"walcast/channels/topics"
	"walcast/policy"
	"walcast/protocol"
)

// Publication is a broadcast that does not come from a channel.
type Publication struct {
	Topic   string // sub-topic, without "realtime:"
	Private bool
	protocol.Broadcast
}

// Publisher broadcasts for one request, as the subject of its token. It belongs
// to one goroutine and must be closed.
type Publisher struct {
	hub     *Hub
	subject *policy.Subject
	headers json.RawMessage
	asked   map[string]error // answers of May, by private topic
}

// Publisher returns a publisher for the claims. headers are those of the
// request as a JSON object with lower-case names, for policies.
func (h *Hub) Publisher(claims *auth.Claims, headers string) *Publisher {
	return &Publisher{
		hub: h, subject: h.policy.Subject(claims.Role, string(claims.Raw)),
		headers: json.RawMessage(headers), asked: map[string]error{},
	}
}

// Close releases the subject.
func (p *Publisher) Close() { p.hub.policy.Release(p.subject) }

// May says why the topic may not be written to: a protocol.Refusal, or nil if
// it may be. The database is asked once for each private topic.
func (p *Publisher) May(ctx context.Context, topic string, private bool) error {
	if !private {
		if p.hub.config.PrivateOnly {
			return protocol.RefusePrivateOnly
		}
		return nil
	}
	err, known := p.asked[topic]
	if !known {
		err = p.ask(ctx, topic)
		p.asked[topic] = err
	}
	return err
}

func (p *Publisher) ask(ctx context.Context, topic string) error {
	granted, err := p.hub.policy.MayWrite(ctx, p.subject, policy.Topic{Name: topic, Headers: p.headers})
	switch {
	case err != nil:
		p.hub.logger.Warn("write permission not checked", "topic", topic, "err", err)
		return databaseRefusal(err)
	case !granted.WriteBroadcast:
		return protocol.Refusal{Code: protocol.CodeUnauthorized, Text: "Unauthorized"}
	}
	return nil
}

// databaseRefusal words an error of policy as upstream does for a request.
func databaseRefusal(err error) protocol.Refusal {
	var raised *policy.AskError
	unprepared := policy.Unprepared(err)
	switch {
	case errors.Is(unprepared, policy.ErrMissingPartition):
		return protocol.Refusal{Text: "Missing messages partition"}
	case unprepared != nil:
		return protocol.Refusal{Text: unprepared.Error()}
	case errors.As(err, &raised) && raised.TimedOut():
		return protocol.Refusal{Text: "Query canceled"}
	case policy.IsAnswer(err):
		return protocol.Refusal{Text: "RLS policy error"}
	}
	return protocol.Refusal{Text: "Tenant database unavailable"}
}

// Store keeps the broadcast for replays and sends it to every channel of its topic,
// which May has said may be written to. It returns the message's id. An error is a
// protocol.Refusal.
func (p *Publisher) Store(ctx context.Context, b Publication, keep protocol.Persist) (id string, err error) {
	if !b.Private {
		return "", protocol.RefusePersistPublic
	}
	may, err := p.hub.policy.MayStore(ctx, p.subject, policy.Topic{Name: b.Topic, Headers: p.headers})
	switch {
	case err != nil:
		p.hub.logger.Warn("permission to store not checked", "topic", b.Topic, "err", err)
		return "", databaseRefusal(err)
	case !may:
		return "", protocol.RefuseStore(b.Topic)
	}
	if err := p.hub.topics.Fits(b.Broadcast); err != nil {
		return "", err
	}
	topic := protocol.Topic{Name: protocol.TopicPrefix + b.Topic, Private: true}
	stored, err := p.hub.store(ctx, p.subject, topic, topics.Stored{Event: b.Event, Encoding: b.Encoding, Payload: b.Payload}, keep)
	if err != nil {
		return "", err
	}
	return stored.ID, p.hub.topics.PublishStored(topic, stored)
}

// store keeps a message for replays before it is sent, so that no receiver has
// one that is not kept.
func (h *Hub) store(ctx context.Context, by *policy.Subject, key protocol.Topic, m topics.Stored, keep protocol.Persist) (topics.Stored, error) {
	done, err := h.policy.Join(ctx, by)
	if err != nil {
		return m, protocol.RefuseDatabaseAway
	}
	defer done()
	return h.topics.Store(ctx, key, m, time.Duration(keep))
}

// Publish sends the broadcast to every channel of its topic. It does not ask
// whether it may. An error is a protocol.Refusal, see topics.Member.Broadcast.
func (p *Publisher) Publish(b Publication) error {
	return p.hub.topics.Publish(protocol.Topic{Name: protocol.TopicPrefix + b.Topic, Private: b.Private}, b.Broadcast)
}

// MaxBroadcast is the largest payload that is relayed, in bytes.
func (h *Hub) MaxBroadcast() int { return h.config.MaxBroadcastBytes }

// Present is the presence of a topic, in the form of presence_state's payload.
func (h *Hub) Present(ctx context.Context, subTopic string, private bool) []byte {
	return h.rooms.State(ctx, protocol.Topic{Name: protocol.TopicPrefix + subTopic, Private: private})
}
