package channels

import (
	"walcast/replication"
)

// resume starts a channel whose client says where it was: at the earliest
// position that one of its bindings names. It is false if none does. A binding
// that names none starts live, as do all when a position is no position; the
// client is told that, since it must not take silence for "nothing happened".
func (h *Hub) resume(ch *channel, reply func(from replication.Position)) bool {
	live := h.log.Live()
	from, err, asked := resumeFrom(ch.bindings, live)
	if !asked {
		return false
	}
	if err != nil {
		ch.shard.direct.attach(ch, func(live replication.Position) {
			reply(live)
			ch.resync(&replication.ResyncError{
				Code: replication.CodeUnknown, Reason: err.Error(), Oldest: h.log.Oldest(), Position: live,
			})
		})
		return true
	}
	reply(from)
	h.catchUp(ch, ch.shard.direct, from)
	return true
}

// resumeFrom reads the positions of the bindings and notes each in its binding.
func resumeFrom(bindings []*binding, live replication.Position) (from replication.Position, err error, asked bool) {
	for _, b := range bindings {
		if b.spec.ResumeFrom == "" {
			b.after = live
			continue
		}
		if b.after, err = replication.ParsePosition(b.spec.ResumeFrom); err != nil {
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
		b.after = replication.Position{}
	}
}
