package topics

import (
	"time"

	"walcast/protocol"
	"walcast/replication/wal"
)

// retell pushes the broadcasts that a client has missed since it was here last,
// without its own unless it asked for these. If some are not kept any more the
// client is told so; its changes go on from its position all the same. t.mu
// must be held, so that no broadcast falls between what is told again and what
// comes live.
func (t *topic) retell(m *Member) {
	r := m.config.Returning
	if r == nil {
		return
	}
	past, missed, newest, gap := t.past.arrive(t.key, r.Heard, time.Now())
	m.past, m.heardAtJoin = past, newest
	if (gap || r.Misses) && !r.Told {
		m.tellMissed(r.Position)
	}
	told := map[Origin]bool{}
	for _, c := range r.Elsewhere {
		told[c.Origin] = true
		t.retellOne(m, c.Broadcast, c.Client)
	}
	r.Elsewhere = nil
	for i := range missed {
		if b := &missed[i]; b.Origin == (Origin{}) || !told[b.Origin] {
			t.retellOne(m, b.Broadcast, b.Sender)
		}
	}
}

func (t *topic) retellOne(m *Member, b protocol.Broadcast, sender string) {
	if m.deaf || sender == m.config.Client && !m.config.Self {
		return
	}
	if f := m.config.Address.Version.Broadcast(t.key.Name, b); f != nil {
		m.config.Outbox.Push(f)
	}
}

// tellMissed tells the client that broadcasts are gone, and that its changes go
// on at a position, which is zero if there is none.
func (m *Member) tellMissed(at wal.Position) {
	if count := m.topics.config.Resynced; count != nil {
		count(protocol.CodeBroadcastsMissed)
	}
	position := at.Text()
	m.config.Outbox.Push(m.config.Address.Resync(protocol.ResyncDetail{
		Code: protocol.CodeBroadcastsMissed, Reason: protocol.ReasonBroadcastsMissed,
		From: position, Oldest: position, Position: position,
	}))
}
