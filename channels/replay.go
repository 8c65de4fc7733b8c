package channels

import (
	"context"
	"time"

	"walcast/protocol"
)

// Archive is where stored messages of private topics are found. Safe for
// concurrent use.
type Archive interface {
	// Newest returns the newest messages of a sub-topic that were stored at
	// since or later, limit at most, oldest first. committed are ids of messages
	// that the stream has brought: the answer is of a time when queries see them
	// too, which is a moment later.
	Newest(ctx context.Context, subTopic string, since time.Time, limit int, committed []string) ([]Stored, error)
}

// Stored is a message that was sent from SQL.
type Stored struct {
	ID       string // a UUID; "" for one that is stored nowhere
	Event    string
	Encoding protocol.Encoding
	Payload  []byte // JSON text or opaque, by Encoding
}

// broadcast is the message as it is delivered live.
func (s Stored) broadcast() protocol.Broadcast {
	b := protocol.Broadcast{Event: s.Event, Encoding: s.Encoding, Payload: s.Payload}
	if s.ID != "" {
		b.Meta = []byte(`{"id":"` + s.ID + `"}`) // a UUID needs no quoting
	}
	return b
}

// replayed is the message as a replay delivers it.
func (s Stored) replayed() protocol.Broadcast {
	b := s.broadcast()
	b.Meta = []byte(`{"id":"` + s.ID + `","replayed":true}`)
	return b
}

// replayLimit bounds how long a join waits for stored messages.
const replayLimit = 5 * time.Second

// backlog is what a channel that asked for a replay is owed. Live broadcasts
// that come while the stored ones are fetched wait here, so that none is lost
// between the two and none comes before its elders.
type backlog struct {
	stored []Stored
	live   []waiting // guarded by the topic's lock
	seen   map[string]struct{}
}

type waiting struct {
	frame *protocol.Frame
	id    string
}

// fetch gets the stored messages that a join asked for. The channel listens on
// its topic from before they are looked up. An error's text is the reason of a
// refusal.
func (c *channel) fetch(ctx context.Context, key topicKey, join *protocol.Join) error {
	h := c.session.hub
	if join.Replay == nil {
		return nil
	}
	if !c.may.granted.ReadBroadcast {
		return errNotReadable(key.subTopic())
	}
	if h.config.Archive == nil {
		return protocol.RefuseReplayFailed
	}
	c.backlog = &backlog{seen: map[string]struct{}{}}
	h.listen(key, c).mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, replayLimit)
	defer cancel()
	stored, err := h.config.Archive.Newest(ctx, key.subTopic(),
		time.UnixMilli(join.Replay.Since), join.Replay.Limit, h.recent.ids(key, now()))
	if err != nil {
		h.logger.Warn("stored messages not read", "topic", key.subTopic(), "err", err)
		h.leave(c)
		return protocol.RefuseReplayFailed
	}
	c.backlog.stored = stored
	return nil
}

// replay pushes what was stored, then what came meanwhile. Called with t.mu
// held.
func (t *topic) replay(c *channel) {
	owed := c.backlog
	if owed == nil {
		return
	}
	c.backlog = nil
	version := c.session.identity.Version
	for _, s := range owed.stored {
		owed.seen[s.ID] = struct{}{}
		if f := version.Replayed(c.ref, t.key.name, s.replayed()); f != nil {
			c.session.out.Push(f)
		}
	}
	c.replayed = owed.seen
	for _, w := range owed.live {
		if c.isNews(w.id) {
			c.session.out.Push(w.frame)
		}
	}
}

// isNews reports whether the channel has not had the message by a replay. Each
// comes live once, so what was asked for is forgotten. Called with the topic's
// lock held.
func (c *channel) isNews(id string) bool {
	if _, had := c.replayed[id]; !had {
		return true
	}
	delete(c.replayed, id)
	return false
}
