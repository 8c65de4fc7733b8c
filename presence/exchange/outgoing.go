package exchange

import (
	"sync"
	"time"

	"walcast/internal/nodes"
	"walcast/presence"
	"walcast/protocol"
)

// partSize is about how long a message is at most, in bytes: NATS takes one megabyte by
// itself, and a meta has less than a tenth of it.
const partSize = 256 << 10

// windowTopics is how many topics a summary tells of at most.
const windowTopics = 20_000

// outgoing is what this node sends, in the order of its numbers. It is safe for concurrent
// use.
type outgoing struct {
	bus     nodes.Bus
	run     string
	metrics *metrics

	mu     sync.Mutex // held while messages are handed to the bus
	window nodes.Window[digest]
	answer []byte // to be sent before anything else
	to     string // where
}

// newest is the number of the newest delta.
func (o *outgoing) newest() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.window.Number()
}

// send numbers a delta and sends it. One that is not sent is seen by others as lost.
func (o *outgoing) send(t protocol.Topic, d presence.Delta) (seq uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finish()
	topic := digestOf(t)
	d.Seq, _ = o.window.Next(topic, time.Now())
	for p := range split(part{digest: topic, topic: t, delta: d}) {
		_ = o.bus.Send(topic.subject(), p.append(begin(kindDelta, o.run)))
	}
	o.metrics.sent.Inc()
	return d.Seq
}

// reply answers a node what is there on a topic. Answers to one node are sent together;
// endReply sends the rest.
func (o *outgoing) reply(to string, p part) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.to != to {
		o.finish()
	}
	o.to = to
	for p := range split(p) {
		if o.answer == nil {
			o.answer = begin(kindAnswer, o.run)
		}
		if o.answer = p.append(o.answer); len(o.answer) >= partSize {
			o.finish()
		}
	}
}

func (o *outgoing) endReply() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finish()
}

// finish sends the answer that is under way: what is sent later is newer. o.mu must be held.
func (o *outgoing) finish() {
	if o.answer != nil {
		_ = o.bus.Send(subjectOf(o.to), o.answer) // who has asked asks again
		o.answer = nil
	}
}

// ask asks a node.
func (o *outgoing) ask(whom string, asked []entry) {
	_ = o.bus.Send(subjectOf(whom), encodeQuestion(o.run, asked)) // it is asked again
}

// summarise tells all nodes what was sent lately. bye says that nothing follows.
func (o *outgoing) summarise(bye bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finish()
	_ = o.bus.Send(subjectAll, summary{o.window.Summary(time.Now()), bye}.encode(o.run)) // the next one tells it too
}
