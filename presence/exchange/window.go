package exchange

import (
	"container/list"
	"time"
)

const (
	// windowAge is how long the newest delta of a topic is told in summaries. Who has heard
	// none for longer asks for all topics.
	windowAge = 3 * time.Second
	// windowTopics is how many topics are told of at most: the summary has less than half a
	// megabyte then, and NATS takes one by itself.
	windowTopics = 20_000
)

// window numbers the deltas that this node sends, and remembers the newest of each topic
// for a while. It has no lock and no clock of its own.
type window struct {
	number  uint64 // of the newest delta
	from    uint64 // after it every topic's newest is known
	byTopic map[digest]*list.Element
	order   list.List // of *sent, the one whose newest is oldest first
}

// news is the newest delta of a topic.
type news struct {
	topic  digest
	number uint64
}

// sent is news, and when it was sent.
type sent struct {
	news
	at time.Time
}

// next numbers a delta.
func (w *window) next(topic digest, now time.Time) (number uint64) {
	w.number++
	if e := w.byTopic[topic]; e != nil {
		s := e.Value.(*sent)
		s.number, s.at = w.number, now
		w.order.MoveToBack(e)
		return w.number
	}
	if w.byTopic == nil {
		w.byTopic = map[digest]*list.Element{}
	}
	w.byTopic[topic] = w.order.PushBack(&sent{news{topic, w.number}, now})
	w.trim(now)
	return w.number
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
		delete(w.byTopic, s.topic)
		w.order.Remove(e)
	}
	w.from = w.number
}

// summary is what has been sent lately.
func (w *window) summary(now time.Time, bye bool) summary {
	w.trim(now)
	s := summary{number: w.number, from: w.from, bye: bye, news: make([]news, 0, w.order.Len())}
	for e := w.order.Front(); e != nil; e = e.Next() {
		s.news = append(s.news, e.Value.(*sent).news)
	}
	return s
}
