package topics

import "walcast/protocol"

// owedBytes bounds the live broadcasts that wait for the end of a replay.
const owedBytes = 1 << 20

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
