package spread

import (
	"sync"
	"time"

	"walcast/channels/topics"
	"walcast/internal/nodes"
	"walcast/protocol"
)

// outgoing is what this node sends, in the order of its numbers. It is safe for
// concurrent use.
type outgoing struct {
	bus     Bus
	run     string
	metrics *metrics

	mu     sync.Mutex           // held while a message is handed to the bus
	window nodes.Window[uint64] // of topics by their digests

	mentions *mentions
}

// windowTopics is how many topics a summary tells of at most.
const windowTopics = 32 << 10

func newWindow() nodes.Window[uint64] { return nodes.Window[uint64]{Most: windowTopics} }

// parcel is a broadcast without its numbers.
type parcel struct {
	to      *outgoing
	address address
	encoded []byte
}

// pack refuses what is too large for the bus.
func (o *outgoing) pack(key protocol.Topic, c topics.Carried) (topics.Parcel, error) {
	encoded := message{kind: kindBroadcast, run: o.run, key: key, carried: c}.encode()
	if most := o.bus.Largest(); most > 0 && len(encoded) > most {
		return nil, protocol.RefuseBus(len(encoded), most)
	}
	return &parcel{o, addressOf(key), encoded}, nil
}

// Send implements topics.Parcel. A number that was not sent is seen by others as one
// that was lost.
func (p *parcel) Send() (topics.Origin, error) {
	o := p.to
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	number, prev := o.window.Next(p.address.digest, now)
	o.mentions.note(p.address.digest, now)
	setNumbers(p.encoded, number, prev)
	origin := topics.Origin{Run: o.run, Number: number}
	if err := o.bus.Send(p.address.subject, p.encoded); err != nil {
		o.metrics.refused.Inc()
		return origin, protocol.RefuseBusAway
	}
	o.metrics.sent.Inc()
	return origin, nil
}

// summarise tells all nodes what was sent lately. bye says that nothing follows.
func (o *outgoing) summarise(bye bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tell(subjectAll, bye)
}

// tell sends a summary. o.mu must be held.
func (o *outgoing) tell(subject string, bye bool) {
	_ = o.bus.Send(subject, summaryOf(o.run, o.window.Summary(time.Now()), bye).encode()) // the next one tells it too
}

// answer answers a question after all that was sent before. If the other waits at a fence
// it is told before what it should have.
func (o *outgoing) answer(m message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.round&fenceRound != 0 {
		o.tell(subjectOf(m.run), false)
	}
	_ = o.bus.Send(subjectOf(m.run), message{kind: kindAnswer, run: o.run, number: o.window.Number(), round: m.round}.encode()) // the other does not wait for long
}
