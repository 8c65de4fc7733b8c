package channels

import (
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// resume starts a channel whose client says where it was: at the earliest
// position that one of its bindings names. It is false if none does. A binding
// that names none starts live, as do all when a position is no position; the
// client is told that, since it must not take silence for "nothing happened".
// So is one whose broadcasts are forgotten: its rows are not.
func (h *Hub) resume(ch *channel, known memory, reply func(from wal.Position)) bool {
	live := h.log.Live()
	from, err, asked := resumeFrom(ch.bindings, live)
	if !asked {
		return false
	}
	if err != nil {
		ch.shard.direct.attach(ch, func(live wal.Position) {
			reply(live)
			ch.resync(&changelog.ResyncError{
				Code: changelog.CodeUnknown, Reason: err.Error(), Oldest: h.log.Oldest(), Position: live,
			})
		})
		return true
	}
	standing := changelog.Standing{Position: from}
	if at := h.log.Standing(); !at.Position.IsZero() {
		h.clients.starts(ch, changelog.Standing{History: at.History, Position: from})
	}
	reply(from)
	if known == forgotten {
		unheard := h.unknown()
		unheard.Position = from // before any row, so that it holds for all of them
		ch.tellResync(unheard)
	}
	h.catchUp(ch, ch.shard.direct, standing)
	return true
}

// tellPosition answers a client that asks how far its channel is: it has then
// been sent everything up to the position. That is how one that names positions
// keeps up while its channel is quiet and the log moves on.
func (c *channel) tellPosition(m protocol.Message) {
	position := ""
	if at := c.standing().Position; !at.IsZero() {
		position = at.String()
	}
	c.reply(m, protocol.StatusOK, protocol.Position(position))
}

// recall looks up what the client of a channel has received of its topic, if it
// has a client_id.
func (h *Hub) recall(ch *channel, join *protocol.Join) (from changelog.Standing, listened uint64, known memory) {
	if ch.who == nil {
		return from, 0, fresh
	}
	return h.clients.take(ch, *ch.who, fingerprintOf(join.Bindings), now())
}

// goOn starts a channel where its client is known to be, by what it has answered
// to pings. It is false if nothing is known and nothing can have been missed.
// One that may have been here before, of which nothing is known, is told so.
func (h *Hub) goOn(ch *channel, from changelog.Standing, known memory, reply func(from wal.Position)) bool {
	switch known {
	case remembered:
		reply(from.Position)
		h.catchUp(ch, ch.shard.direct, from)
		return true
	case forgotten:
		if h.log.Standing() == (changelog.Standing{}) { // what it misses is known when the log begins
			reply(wal.Position{})
			h.catchUp(ch, ch.shard.direct, changelog.Standing{})
			return true
		}
		ch.shard.direct.attach(ch, func(live wal.Position) {
			reply(live)
			e := h.unknown()
			e.Position = live // the log may have gone on
			ch.resync(e)
		})
		return true
	}
	return false
}

// unknown is told to clients that may have been here before.
func (h *Hub) unknown() *changelog.ResyncError {
	at := h.log.Standing()
	return &changelog.ResyncError{
		Code: changelog.CodeUnknown, Reason: "the server does not know any more what this client has received",
		Oldest: h.log.Oldest(), Position: at.Position, History: at.History,
	}
}

// resumeFrom reads the positions of the bindings and notes each in its binding.
func resumeFrom(bindings []*binding, live wal.Position) (from wal.Position, err error, asked bool) {
	for _, b := range bindings {
		if b.spec.ResumeFrom == "" {
			b.after = live
			continue
		}
		if b.after, err = wal.ParsePosition(b.spec.ResumeFrom); err != nil {
			clearAfter(bindings)
			return from, err, true
		}
		if !asked || b.after.Compare(from) < 0 {
			from = b.after
		}
		asked = true
	}
	if !asked {
		clearAfter(bindings)
	}
	return from, nil, asked
}

func clearAfter(bindings []*binding) {
	for _, b := range bindings {
		b.after = wal.Position{}
	}
}
