package topics

import (
	"context"
	"time"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// Nodes are the other nodes of a cluster, as topics see them. Their methods never wait,
// and are called while locks are held.
type Nodes interface {
	// Pack makes a broadcast ready to be sent to the members of a topic on other nodes.
	// It is refused if it is too large for that.
	Pack(key protocol.Topic, c Carried) (Parcel, error)
	// Hold has broadcasts of other nodes to a topic come, until all who hold it have
	// released it. To hold it twice is the same as once.
	Hold(key protocol.Topic, by Holder)
	// Release reports whether nobody holds the topic any more, who did before.
	Release(key protocol.Topic, by Holder) (ended bool)
	// Settled is closed once what other nodes send to a topic that is held comes, as far
	// as that can be known.
	Settled(key protocol.Topic) <-chan struct{}
}

// Parcel is a broadcast that is ready to be sent to other nodes.
type Parcel interface {
	// Send hands it to the bus, after those that were sent before. After an error other
	// nodes do not get it, and learn that they miss one.
	Send() (Origin, error)
}

// Carried is a broadcast on its way between nodes.
type Carried struct {
	protocol.Broadcast
	Client string // client_id of the channel it came from, "" for none
	ID     string // of a stored message, "" for others
	Origin Origin
}

// Origin names a broadcast on all nodes: the process that has sent it, and its number
// there. It is zero without a cluster.
type Origin struct {
	Run    string
	Number uint64
}

// Holder is who needs the broadcasts of a topic.
type Holder uint8

const (
	// Members are channels on the topic.
	Members Holder = 1 << iota
	// Absent are clients with a client_id that may come back.
	Absent
)

// Settle waits until a member gets what other nodes send from now on, as far as that can
// be known, but not for long.
func (m *Member) Settle(ctx context.Context) {
	if others := m.topics.config.Nodes; others != nil {
		nodes.Settle(ctx, others.Settled(m.topic.key))
	}
}

// Await has the broadcasts of a topic kept for a client with a client_id that is to join
// it, and waits until those of other nodes come, but not for long. It returns the number
// after which all are kept, 0 if there is no room for the topic.
func (s *Topics) Await(ctx context.Context, key protocol.Topic) (heard uint64) {
	heard = s.past.await(key, time.Now())
	if others := s.config.Nodes; others != nil && heard > 0 {
		nodes.Settle(ctx, others.Settled(key))
	}
	return heard
}

// Missed is what was broadcast to a topic after a number, on any node as far as it has
// come. It is not complete if some is not kept any more, or is of an earlier run.
func (s *Topics) Missed(key protocol.Topic, heard uint64) (missed []Carried, complete bool) {
	return s.past.missed(key, heard)
}

// Quiet reports whether nothing was broadcast to a topic after a number, on any node as
// far as it has come.
func (s *Topics) Quiet(key protocol.Topic, heard uint64) bool { return s.past.quiet(key, heard) }

// Fits says why a broadcast of some size in bytes cannot be sent, nil if it can.
func (s *Topics) Fits(b protocol.Broadcast) error {
	if s.config.Nodes == nil {
		return nil
	}
	_, err := s.config.Nodes.Pack(protocol.Topic{}, Carried{Broadcast: b})
	return err
}

// pack makes a broadcast ready for other nodes, if there may be some.
func (s *Topics) pack(key protocol.Topic, c Carried) (Parcel, error) {
	if s.config.Nodes == nil {
		return nil, nil
	}
	return s.config.Nodes.Pack(key, c)
}

// send hands a parcel to the bus, if there is one.
func send(p Parcel) (Origin, error) {
	if p == nil {
		return Origin{}, nil
	}
	return p.Send()
}

// Receive brings a broadcast of another node to the members here.
func (s *Topics) Receive(key protocol.Topic, c Carried) {
	s.withTopic(key, func(t *topic) { t.publish(c, nil) }, func() *topic {
		s.past.note(key, c, time.Now())
		return nil
	})
}

// Lost notes that broadcasts of another node have not come. Members whose clients have a
// client_id are told, and who comes back is.
func (s *Topics) Lost(key protocol.Topic) {
	var told []Alarm
	s.withTopic(key, func(t *topic) {
		s.past.miss(key)
		for m := range t.members {
			switch r := m.config.Returning; {
			case r == nil || m.deaf:
			case r.alarm == nil:
				r.misses = true
			default:
				told = append(told, r.alarm)
			}
		}
	}, func() *topic {
		s.past.miss(key)
		return nil
	})
	for _, tell := range told {
		tell.MissBroadcasts()
	}
}

// Alarm tells a client that it misses broadcasts.
type Alarm interface{ MissBroadcasts() }

// Alarm sets what tells the member's client that it misses broadcasts, at once if it does
// already. Clients without a client_id are not told.
func (m *Member) Alarm(tell Alarm) {
	r := m.config.Returning
	if r == nil {
		return
	}
	m.topic.mu.Lock()
	misses := r.misses
	r.alarm, r.misses = tell, false
	m.topic.mu.Unlock()
	if misses {
		tell.MissBroadcasts()
	}
}
