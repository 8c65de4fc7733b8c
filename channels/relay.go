package channels

import (
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// relay is a message from SQL on its way from the log to its topic. The direct
// lane of the topic's shard takes it there, in its place among the rows.
type relay struct {
	sqlMessage
	at     changelog.Standing
	old    bool // it happened while nobody read, or is read again after a restart
	before int  // index of the match that comes next
}

// gather notes a message for one of the topics that the delivery relays to; it
// is false if the change is no message. Called with d.mu held.
func (d *delivery) gather(change *wal.Change) bool {
	if d.relaysFor == nil || !isMessage(change) {
		return false
	}
	m, err := messageOf(change)
	if !d.relaysFor(m.key.name) {
		return true
	}
	if err != nil {
		d.hub.refuseMessage(m, err)
		return true
	}
	at := changelog.Standing{History: d.sent.History, Position: change.Position}
	old := change.Position.Compare(d.hub.log.Refilled()) <= 0
	d.relays = append(d.relays, relay{sqlMessage: m, at: at, old: old, before: len(d.matches)})
	return true
}

// relayBefore publishes the messages whose place is before a match and returns
// those that are left. Called with d.mu held.
func (d *delivery) relayBefore(relays []relay, match int) []relay {
	for len(relays) > 0 && relays[0].before <= match {
		d.hub.relay(relays[0])
		relays = relays[1:]
	}
	return relays
}

// relay publishes a message, unless it cannot be delivered.
func (h *Hub) relay(r relay) {
	b := r.broadcast()
	if err := h.checkMessage(b); err != nil {
		h.refuseMessage(r.sqlMessage, err)
		return
	}
	h.metrics.messages.WithLabelValues("relayed").Inc()
	if err := b.CheckHeader(r.key.name); err != nil {
		h.warnMessage("message from SQL not delivered to clients of vsn 2.0.0", r.sqlMessage, err)
	}
	if r.ID != "" && r.key.private { // the ones that replays are asked for
		h.recent.add(r.key, r.ID, now())
	}
	t := h.lockTopic(r.key, func() { h.pasts.noteRelay(r, b, now()) })
	if t == nil {
		return
	}
	defer t.mu.Unlock()
	t.relay(r, b)
}

// relay is publish for a message from SQL. Who is not where the direct lane is
// gets it in its place among its rows. An old message is for those only who were
// here before. Called with t.mu held.
func (t *topic) relay(r relay, b protocol.Broadcast) {
	frames := map[protocol.Version]*protocol.Frame{}
	number, isNews := t.hub.pasts.noteRelay(r, b, now())
	if !isNews {
		return
	}
	for ch := range t.members {
		if ch.deaf || r.old && !ch.returned {
			continue
		}
		frame := t.frameOf(frames, ch, b)
		switch {
		case frame == nil:
		case ch.backlog != nil:
			ch.backlog.live = append(ch.backlog.live, waiting{frame, r.ID})
		case r.ID != "" && !ch.isNews(r.ID):
		case ch.shard.isDirect(ch.place.Load()):
			ch.session.out.Push(frame)
		default:
			ch.hold(held{frame, r.at.Position, number})
		}
	}
}
