package topics

import (
	"context"
	"time"

	"walcast/protocol"
)

// Archive is where stored messages of private topics are found. It is safe for
// concurrent use.
type Archive interface {
	// Newest returns the newest messages of a sub-topic that were stored at
	// since or later, limit at most, oldest first. committed are ids of
	// messages that have come from the log already: Newest waits until queries
	// see them.
	Newest(ctx context.Context, subTopic string, since time.Time, limit int, committed []string) ([]Stored, error)
	// Store keeps a message for replays, for the time keep, and returns its id.
	// The message does not come a second time when its row appears in the log.
	// An error may be a protocol.Refusal.
	Store(ctx context.Context, subTopic string, m Stored, keep time.Duration) (id string, err error)
}

// Stored is a message that is kept for replays: it was sent from SQL, or by a
// client that asked for it to be kept.
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

// owed is live broadcasts that wait for the end of a member's replay. So none
// is lost between the stored messages and the live ones, and none comes before
// older messages.
type owed struct {
	frames []waiting
	bytes  int
	lost   bool // there were too many
}

// waiting is a live broadcast.
type waiting struct {
	frame *protocol.Frame
	id    string // of a row of realtime.messages, "" for other broadcasts
}

func (o *owed) add(frame *protocol.Frame, id string) {
	if o.bytes += frame.Size(); o.bytes > owedBytes {
		o.lost, o.frames = true, nil
		return
	}
	o.frames = append(o.frames, waiting{frame, id})
}

// Fetch gets the stored messages that a join asked for. The channel must be a
// member by then, and get messages from SQL, so that a message which is stored
// too late for the answer comes live. The error's text is the reason of a
// refusal.
func (s *Topics) Fetch(ctx context.Context, key protocol.Topic, r protocol.Replay) ([]Stored, error) {
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

// Replay pushes stored messages, then what came live meanwhile, each message
// once. From then on broadcasts are pushed as they come. An error, whose text
// is the reason of a refusal, means that more came live than may wait.
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
	if m.deaf { // Listen(false) was called meanwhile
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

// isNews reports whether a live message did not come with a replay. Each
// message comes from the log once, so its id is forgotten then.
func (m *Member) isNews(id string) bool {
	if _, had := m.replayed[id]; !had || id == "" {
		return true
	}
	delete(m.replayed, id)
	return false
}
