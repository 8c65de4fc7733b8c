package nodes

import (
	"container/list"
	"time"
)

// Age is how long a Window tells the newest number of a topic. Who has heard of none for
// longer takes all topics for such that something is missing of.
const Age = 3 * time.Second

// Window numbers what a node sends from 1 on, whatever its topic, and remembers the newest
// number of each topic for a while. It has no lock and no clock of its own. T names a topic.
type Window[T comparable] struct {
	// Most is how many topics are told of at most, so that a summary of them has half a
	// megabyte: NATS takes one by itself.
	Most int

	number  uint64 // the newest
	from    uint64 // after it every topic's newest is known
	byTopic map[T]*list.Element
	order   list.List // of *sent[T], the one whose newest is oldest first
}

// News is the newest number of a topic.
type News[T comparable] struct {
	Topic  T
	Number uint64
}

// sent is News, and when it was sent.
type sent[T comparable] struct {
	News[T]
	at time.Time
}

// Summary is what was sent lately: the newest number, and the one after which the newest
// of each topic is told.
type Summary[T comparable] struct {
	Number, From uint64
	News         []News[T]
}

// Number is the newest number, 0 before the first.
func (w *Window[T]) Number() uint64 { return w.number }

// Next numbers what is sent to a topic. prev is the number before of the same topic, 0 if
// that is not known any more.
func (w *Window[T]) Next(topic T, now time.Time) (number, prev uint64) {
	w.number++
	if e := w.byTopic[topic]; e != nil {
		s := e.Value.(*sent[T])
		prev, s.Number, s.at = s.Number, w.number, now
		w.order.MoveToBack(e)
		return w.number, prev
	}
	if w.byTopic == nil {
		w.byTopic = map[T]*list.Element{}
	}
	w.byTopic[topic] = w.order.PushBack(&sent[T]{News[T]{topic, w.number}, now})
	w.trim(now)
	return w.number, 0
}

// trim forgets what is too old or too much.
func (w *Window[T]) trim(now time.Time) {
	for w.order.Len() > 0 {
		e := w.order.Front()
		s := e.Value.(*sent[T])
		if now.Sub(s.at) <= Age && w.order.Len() <= w.Most {
			return
		}
		w.from = s.Number
		delete(w.byTopic, s.Topic)
		w.order.Remove(e)
	}
	w.from = w.number
}

// Summary is what has been sent lately.
func (w *Window[T]) Summary(now time.Time) Summary[T] {
	w.trim(now)
	s := Summary[T]{Number: w.number, From: w.from, News: make([]News[T], 0, w.order.Len())}
	for e := w.order.Front(); e != nil; e = e.Next() {
		s.News = append(s.News, e.Value.(*sent[T]).News)
	}
	return s
}
