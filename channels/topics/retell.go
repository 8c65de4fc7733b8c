package topics

import (
	"time"

	"walcast/protocol"
	"walcast/replication/wal"
)

// CodeBroadcastsMissed is the code of a resync that gives up broadcasts and
// nothing else.
const CodeBroadcastsMissed = "broadcasts_missed"

// retell pushes what a client has missed since it was here, but not its own
// broadcasts. If some are gone the client is told; its changes go on all the
// same, from where they do. Called with the lock held, so that nothing falls
// between what is retold and what comes live.
func (t *topic) retell(m *Member) {
	r := m.config.Returning
	if r == nil {
		return
	}
	past, missed, newest, gap := t.past.arrive(t.key, r.Heard, time.Now())
	m.past, m.heardAtJoin = past, newest
	if gap && !r.Told {
		m.tellMissed(r.Position)
	}
	for i := range missed {
		if m.deaf || missed[i].Sender == m.config.Client && !m.config.Self {
			continue
		}
		if f := m.config.Address.Version.Broadcast(t.key.Name, missed[i].Broadcast); f != nil {
			m.config.Outbox.Push(f)
		}
	}
}

// tellMissed tells the client that broadcasts are gone, and that its changes go
// on at a position, which is zero if there is none.
func (m *Member) tellMissed(at wal.Position) {
	if count := m.topics.config.Resynced; count != nil {
		count(CodeBroadcastsMissed)
	}
	position := ""
	if !at.IsZero() {
		position = at.String()
	}
	m.config.Outbox.Push(m.config.Address.Resync(protocol.ResyncDetail{
		Code: CodeBroadcastsMissed, Reason: "broadcasts were missed that the server does not keep any more",
		From: position, Oldest: position, Position: position,
	}))
}
