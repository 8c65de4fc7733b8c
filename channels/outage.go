package channels

import (
	"maps"
	"slices"
	"time"

	"walcast/protocol"
)

// Feed is whether changes come from the database at present.
type Feed struct {
	Streams bool
	Since   time.Time // when the last word came, if they do not; zero if that is not known
	// PublicationMissing says that a publication is missing, so that changes are lost.
	PublicationMissing bool
	// PublicationsDiffer says that the publications have different columns of some table,
	// so that changes are lost.
	PublicationsDiffer bool
	// FilterRaises says that a row filter of a publication raises for a row, so that
	// nothing comes.
	FilterRaises bool
}

// outage is why no change comes, whatever a channel's bindings are.
type outage uint8

const (
	noOutage outage = iota
	databaseAway
	publicationMissing
	publicationsDiffer
	filterRaises
)

// outageAfter is how long no change may come until all channels are told. Postgres may
// just be restarting, and a channel whose table is of a publication that is missing is
// told more, by a second look. Of an outage that was not seen at once they are told at
// the second sight: the stream may just be beginning anew.
const outageAfter = 5 * time.Second

// outage is the one that a feed is in.
func (f Feed) outage() outage {
	switch {
	case f.PublicationMissing:
		return publicationMissing
	case f.PublicationsDiffer:
		return publicationsDiffer
	case f.FilterRaises:
		return filterRaises
	case f.Streams:
		return noOutage
	}
	return databaseAway
}

// frame tells of the outage. While the database is away nothing is lost, and bindings
// go on where they are; without a publication, with such that differ, or with a row filter that raises, none of them works.
func (o outage) frame(to protocol.Address) *protocol.Frame {
	switch o {
	case publicationMissing:
		return to.Problem(protocol.StatusError, protocol.Problem{Message: protocol.MessagePublicationMissing, Code: protocol.CodePublicationMissing})
	case publicationsDiffer:
		return to.Problem(protocol.StatusError, protocol.Problem{Message: protocol.MessagePublicationsDiffer, Code: protocol.CodePublicationLists})
	case filterRaises:
		return to.Problem(protocol.StatusError, protocol.Problem{Message: protocol.MessageFilterRaises, Code: protocol.CodePublicationFilter})
	}
	return to.Problem(protocol.StatusOK, protocol.DatabaseAway())
}

// tellAway tells a channel whose bindings are not checked yet that the database does not
// answer. A warning: they match already, and nothing that commits is lost. A channel that
// is armed is told by feed.
func (a *armed) tellAway(ch *channel) (told bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.channels[ch] != nil || ch.ended.Load() {
		return false
	}
	ch.problem(protocol.StatusOK, protocol.DatabaseAway())
	return true
}

// feed takes in whether changes come, and tells all channels what is new. Those of a
// topic share a frame. It reports whether there is something to tell soon.
func (a *armed) feed(f Feed, now time.Time) (soon bool) {
	news, soon := a.follow(f, now)
	if !news {
		return soon
	}
	a.disarm()
	a.mu.Lock()
	defer a.mu.Unlock()
	frames := map[protocol.Address]*protocol.Frame{}
	for ch, s := range a.channels {
		if !a.concerned(s) {
			continue
		}
		to := protocol.Address{Version: ch.address.Version, Topic: ch.address.Topic}
		if frames[to] == nil {
			frames[to] = a.outage.told(to)
		}
		ch.out.Push(frames[to])
	}
	return false
}

// follow takes in the outage that the feed is in, or none. It reports whether channels
// are to be told, or soon.
func (a *armed) follow(f Feed, now time.Time) (news, soon bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := f.outage()
	isNew := a.outageSince.IsZero()
	switch {
	case next == noOutage:
		a.outageSince = time.Time{}
	case isNew && !f.Since.IsZero():
		a.outageSince = f.Since
	case isNew:
		a.outageSince = now
	}
	switch {
	case next == a.outage:
		return false, false
	case next != noOutage && (isNew || now.Sub(a.outageSince) < outageAfter):
		return false, true
	}
	a.outage = next
	return true, false
}

// disarm forgets channels whose last binding was switched off: they were told so, and
// nothing that happens now makes them work again.
func (a *armed) disarm() {
	a.mu.Lock()
	all := slices.Collect(maps.Keys(a.channels))
	a.mu.Unlock()
	for _, ch := range all { // without the lock, as that of a delivery is taken before it
		if len(ch.rows.Bindings()) == 0 {
			a.remove(ch)
		}
	}
}

// concerned notes the present outage, or that there is none. It reports whether a
// channel is to be told.
func (a *armed) concerned(s *armedChannel) bool {
	if a.outage == noOutage {
		tell := s.outageTold && !s.stopped
		s.outageTold = false
		return tell
	}
	s.outageTold = true
	// It was told so of its own tables already.
	return !(a.outage == publicationMissing && s.stopped)
}

// told is the frame that tells of the outage, or of its end.
func (o outage) told(to protocol.Address) *protocol.Frame {
	if o == noOutage {
		return to.System(protocol.ExtensionPostgres, protocol.StatusOK, protocol.MessageSubscribed)
	}
	return o.frame(to)
}
