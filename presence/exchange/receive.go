package exchange

import (
	"context"
	"time"

	"walcast/presence"
)

// receive takes in what other nodes send, until ctx is done.
func (e *Exchange) receive(ctx context.Context, rooms *presence.Rooms) {
	e.bus.Each(ctx, func(data []byte) error {
		m, err := decode(data)
		if err != nil {
			return err
		}
		e.taking.Lock()
		defer e.taking.Unlock()
		switch m.kind {
		case kindDelta, kindAnswer:
			for _, p := range m.parts {
				e.takePart(rooms, m, p, len(data))
			}
		case kindSummary:
			e.compare(rooms, m)
		case kindQuestion:
			e.answer(rooms, m)
		}
		return nil
	})
}

// takePart takes in a part of a delta, or of an answer.
func (e *Exchange) takePart(rooms *presence.Rooms, m message, p part, bytes int) {
	topic, ok := e.roll.hears(m.run, p.digest, p.stay, time.Now())
	isNobody := m.kind == kindAnswer && len(p.delta.Joins) == 0
	if !ok || p.topic != topic && !(isNobody && p.topic.Name == "") {
		return
	}
	if p.same {
		e.roll.got(m.run, p.digest)
		return
	}
	if e.joined[m.run] == nil {
		e.joined[m.run] = &joined{}
	}
	p, ok = e.joined[m.run].add(p, bytes)
	if !ok {
		return
	}
	behind := rooms.Apply(topic, presence.NodeID(m.run), p.delta)
	switch {
	case m.kind == kindAnswer:
		e.roll.got(m.run, p.digest)
		signal(e.wake) // the next may be asked
		return
	case behind:
		e.repair(m.run, p.digest)
	}
	e.metrics.received.Inc()
}

// repair has what is missing be asked for.
func (e *Exchange) repair(run string, topics ...digest) {
	if news := e.roll.want(run, topics...); news > 0 {
		e.metrics.repairs.Add(float64(news))
		signal(e.wake)
	}
}

// compare takes in what a node says that it has sent.
func (e *Exchange) compare(rooms *presence.Rooms, m message) {
	check, isNew, misses := e.roll.compare(m.run, m.summary, time.Now())
	if isNew {
		signal(e.greet)
	}
	if isNew || misses {
		signal(e.wake)
		return
	}
	for _, c := range check {
		if seq, ok := rooms.Known(c.topic, presence.NodeID(m.run)); !ok || seq < c.news.Number {
			e.repair(m.run, c.news.Topic)
		}
	}
}

// answer tells a node what is here on the topics that it asks for.
func (e *Exchange) answer(rooms *presence.Rooms, m message) {
	newest := e.outgoing.newest() // before it is looked who is on a topic
	for _, asked := range m.asked {
		topic, on := e.roll.topicOf(asked.digest)
		on = on && rooms.Answer(topic, asked.seq, asked.known, func(whole *presence.Delta) {
			p := part{digest: asked.digest, stay: asked.stay, same: whole == nil}
			if whole != nil {
				p.topic, p.delta = topic, *whole
			}
			e.outgoing.reply(m.run, p)
		})
		if !on {
			nobody := presence.Delta{Seq: newest, Whole: true}
			e.outgoing.reply(m.run, part{digest: asked.digest, stay: asked.stay, delta: nobody})
		}
	}
	e.outgoing.endReply()
}
