package channels

import (
	"walcast/channels/fanout"
	"walcast/channels/resume"
	"walcast/channels/topics"
	"walcast/diagnose"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// recall looks up what the client has received of the topic, if it has a
// client_id.
func (j *joining) recall() (known resume.Known) {
	client := j.session.identity.ClientID
	if client == "" {
		return known
	}
	key := resume.Key{
		Client: client, Topic: j.channel.address.Topic, Private: j.asked.Private,
		Role: j.claims.Role, Sub: j.claims.Subject,
	}
	j.channel.bookmark, known = j.session.hub.clients.Take(key, resume.FingerprintOf(j.asked.Bindings), now())
	return known
}

// returning is what the topic has to know of a client with a client_id. If rows
// are missing too the client is told of the rows only, which has it resync.
func (j *joining) returning(known resume.Known) *topics.Returning {
	if j.channel.bookmark == nil {
		return nil
	}
	misses := known.Memory == resume.Remembered && len(j.bindings) > 0 &&
		known.Proven.Position.Compare(j.session.hub.log.Oldest()) < 0
	return &topics.Returning{Heard: known.Heard, Position: known.Proven.Position, Told: misses}
}

// start says where the bindings begin: at the positions that the client names,
// else where its pongs have proven it to be, else live.
func (j *joining) start(known resume.Known) fanout.Start {
	start := fanout.Start{Forgotten: known.Memory == resume.Forgotten}
	after, named, err := positions(j.bindings)
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

// positions are those that the bindings name, zero for a binding without one.
// named says that there is one.
func positions(bindings []diagnose.Binding) (after []wal.Position, named bool, err error) {
	for i, b := range bindings {
		if b.Spec.ResumeFrom == "" {
			continue
		}
		if after == nil {
			after = make([]wal.Position, len(bindings))
		}
		if after[i], err = wal.ParsePosition(b.Spec.ResumeFrom); err != nil {
			return nil, false, err
		}
	}
	return after, after != nil, nil
}
