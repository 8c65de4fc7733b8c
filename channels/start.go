package channels

import (
	"context"
	"slices"

	"walcast/channels/fanout"
	"walcast/channels/resume"
	"walcast/channels/spread"
	"walcast/channels/topics"
	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// recall looks up what the client has received of the topic, if it has a
// client_id. Other nodes are asked for one that is not known here.
func (j *joining) recall(ctx context.Context, topic protocol.Topic) (known resume.Known) {
	h, client := j.session.hub, j.session.identity.ClientID
	if client == "" {
		return known
	}
	key := resume.Key{
		Client: client, Topic: j.channel.address.Topic, Private: j.asked.Private,
		Role: j.claims.Role, Sub: j.claims.Subject,
	}
	var found resume.Found
	if h.moving != nil && !h.clients.Knows(key) {
		heard := h.topics.Await(ctx, topic) // before others are asked, so that nothing falls between
		found = h.moving.Find(ctx, key.ID())
		found.Heard, found.Quiet = heard, found.Quiet && heard > 0
		j.missed = found.Missed
	}
	j.channel.bookmark, known = h.clients.Take(key, resume.FingerprintOf(j.asked.Bindings), found, now())
	return known
}

// returning is what the topic has to know of a client with a client_id. If rows
// are missing too the client is told of the rows only, which has it resync.
func (j *joining) returning(known resume.Known, topic protocol.Topic) *topics.Returning {
	if j.channel.bookmark == nil {
		return nil
	}
	misses := known.Memory == resume.Remembered && len(j.bindings) > 0 &&
		known.Proven.Position.Compare(j.session.hub.log.Oldest()) < 0
	r := &topics.Returning{Heard: known.Heard, Position: known.Proven.Position, Told: misses, Misses: known.Lacks}
	if known.Memory != resume.Remembered {
		return r
	}
	for _, encoded := range j.missed {
		c, err := spread.Decode(topic, encoded)
		if err != nil {
			r.Misses = true
			continue
		}
		r.Elsewhere = append(r.Elsewhere, c)
	}
	return r
}

// start says where the bindings begin: at the positions that the client names,
// else where its pongs have proven it to be, else live.
func (j *joining) start(known resume.Known) fanout.Start {
	start := fanout.Start{Forgotten: known.Memory == resume.Forgotten}
	after, named, err := positionsOf(j.bindings)
	switch {
	case err != nil:
		// The client must not take silence for "nothing happened".
		return fanout.Start{Resync: &changelog.ResyncError{Code: changelog.CodeUnknown, Reason: err.Error(), Oldest: j.session.hub.log.Oldest()}}
	case named:
		start.From, j.after = fanout.Named, after
	case known.Memory == resume.Remembered:
		start.From, start.At = fanout.Proven, known.Proven
	}
	return start
}

// positionsOf are those that the bindings name, zero for a binding without one.
// named says that there is one.
func positionsOf(bindings []diagnose.Binding) (after []changelog.Named, named bool, err error) {
	for i, b := range bindings {
		if b.Spec.Resume == nil || b.Spec.Resume.From == "" {
			continue
		}
		if after == nil {
			after = make([]changelog.Named, len(bindings))
		}
		if after[i].Position, err = wal.ParsePosition(b.Spec.Resume.From); err != nil {
			return nil, false, err
		}
		if after[i].Provenance, err = changelog.ParseProvenance(b.Spec.Resume.History); err != nil {
			return nil, false, err
		}
	}
	return after, after != nil, nil
}

// histories reports whether the client has asked for what goes with a position: others
// get replies with nothing but what their library knows.
func (j *joining) histories() bool {
	return slices.ContainsFunc(j.bindings, func(b diagnose.Binding) bool { return b.Spec.Resume != nil })
}

// begins is what the reply says of where the bindings begin. What a client is to keep
// beside a position that it has named is what it had, as long as it is not known what
// that is worth.
func (j *joining) begins() (position, history string) {
	if len(j.bindings) == 0 || j.channel.rows.AwaitsRows() {
		return "", ""
	}
	at := j.channel.rows.Started()
	if !j.histories() {
		return at.Position.Text(), ""
	}
	for _, n := range j.after {
		if n.Position.IsZero() {
			continue
		}
		if at.History == (changelog.History{}) || n.Provenance == (changelog.Provenance{}) {
			return at.Position.Text(), n.Provenance.String()
		}
	}
	return written(j.session.hub.log, at)
}

// written is a standing as clients get it, with what they are to keep beside it.
func written(log *changelog.Log, at changelog.Standing) (position, history string) {
	if at.Position.IsZero() || at.History == (changelog.History{}) {
		return at.Position.Text(), ""
	}
	return at.Position.String(), log.Provenance(at.Position).String()
}
