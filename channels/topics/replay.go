package topics

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
	// Store keeps a message for replays, for so long, and returns its id. It is not
	// relayed a second time when it appears in the log. An error may be a
	// protocol.Refusal.
	Store(ctx context.Context, subTopic string, m Stored, keep time.Duration) (id string, err error)
}

// Stored is a message that is kept for replays: sent from SQL, or by a client that
// asked for that.
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

const (
	// replayTimeout bounds how long a join waits for stored messages.
	replayTimeout = 5 * time.Second
	// owedBytes bounds the live broadcasts that wait meanwhile.
	owedBytes = 1 << 20
)

// errReplay is what a client is told whose replay fails.
var errReplay error = protocol.RefuseReplayFailed

// owed is what a member that asked for a replay gets after it. Live broadcasts
// that come while the stored ones are fetched wait here, so that none is lost
// between the two and none comes before older ones.
type owed struct {
	frames []waiting
	bytes  int
	lost   bool // there were too many
}

// waiting is a live broadcast.
type waiting struct {
	frame *protocol.Frame
	id    string // of a stored message
}

func (o *owed) add(frame *protocol.Frame, id string) {
	if o.bytes += frame.Size(); o.bytes > owedBytes {
		o.lost, o.frames = true, nil
		return
	}
	o.frames = append(o.frames, waiting{frame, id})
}

// Fetch gets the stored messages that a join asked for. Its channel must be a
// member by then, and be told of messages from SQL, so that what is stored too
// late for the answer comes live. An error's text is the reason of a refusal.
func (s *Topics) Fetch(ctx context.Context, key Key, r protocol.Replay) ([]Stored, error) {
	if s.config.Archive == nil {
		return nil, errReplay
	}
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	stored, err := s.config.Archive.Newest(ctx, key.SubTopic(), time.UnixMilli(r.Since), r.Limit, s.recent.ids(key, time.Now()))
	if err != nil {
		s.logger.Warn("stored messages not read", "topic", key.SubTopic(), "err", err)
		return nil, errReplay
	}
	return stored, nil
}

// Replay pushes what was stored, then what came meanwhile, each message once.
// From then on broadcasts come live. An error, whose text is the reason of a
// refusal, means that too much came.
func (m *Member) Replay(stored []Stored) error {
	m.topic.mu.Lock()
	defer m.topic.mu.Unlock()
	owed := m.owed
	switch {
	case owed == nil || m.left:
		return nil
	case owed.lost:
		return errReplay
	}
	m.owed = nil
	if m.deaf { // since it was fetched
		return nil
	}
	m.replayed = make(map[string]struct{}, len(stored))
	to := m.config.Address
	for _, s := range stored {
		m.replayed[s.ID] = struct{}{}
		if f := to.Version.Replayed(to.JoinRef, to.Topic, s.replayed()); f != nil {
			m.config.Outbox.Push(f)
		}
	}
	for _, w := range owed.frames {
		m.topic.deliver(m, w.frame, w.id)
	}
	return nil
}

// isNews reports whether a replay has not brought the message. Each comes from
// the log once, so what was asked for is forgotten.
func (m *Member) isNews(id string) bool {
	if _, had := m.replayed[id]; !had || id == "" {
		return true
	}
	delete(m.replayed, id)
	return false
}
