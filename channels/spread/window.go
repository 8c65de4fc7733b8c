package spread

import (
	"container/list"
	"time"
)

const (
	// windowAge is how long the newest broadcast to a topic is told in summaries. Who has
	// heard none for longer takes all topics for such that something is missing of.
	windowAge = 3 * time.Second
	// windowTopics is how many topics are told of at most: the summary has half a megabyte
	// then, and NATS takes one by itself.
	windowTopics = 32 << 10
)

// window numbers the broadcasts that this node sends, and remembers the newest to each
// topic for a while. It has no lock and no clock of its own.
type window struct {
	number   uint64 // of the newest broadcast
	from     uint64 // after it every topic's newest is known
	byDigest map[uint64]*list.Element
	order    list.List // of *sent, the one whose newest is oldest first
}

// sent is the newest broadcast to a topic.
type sent struct {
	news
	at time.Time
}

// next numbers a broadcast. prev is the number of the one before to the same topic, 0 if
// that is not known any more.
func (w *window) next(digest uint64, now time.Time) (number, prev uint64) {
	w.number++
	if e := w.byDigest[digest]; e != nil {
		s := e.Value.(*sent)
		prev, s.number, s.at = s.number, w.number, now
		w.order.MoveToBack(e)
		return w.number, prev
	}
	if w.byDigest == nil {
		w.byDigest = map[uint64]*list.Element{}
	}
	w.byDigest[digest] = w.order.PushBack(&sent{news{digest, w.number}, now})
	w.trim(now)
	return w.number, 0
}

// trim forgets what is too old or too much.
func (w *window) trim(now time.Time) {
	for w.order.Len() > 0 {
		e := w.order.Front()
		s := e.Value.(*sent)
		if now.Sub(s.at) <= windowAge && w.order.Len() <= windowTopics {
			return
		}
		w.from = s.number
		delete(w.byDigest, s.digest)
		w.order.Remove(e)
	}
	w.from = w.number
}

// summary is what has been sent lately, as a message.
func (w *window) summary(run string, now time.Time, bye bool) message {
	w.trim(now)
	m := message{kind: kindSummary, run: run, number: w.number, prev: w.from, bye: bye}
	for e := w.order.Front(); e != nil; e = e.Next() {
		m.news = append(m.news, e.Value.(*sent).news)
	}
	return m
}
