package gateway

import "testing"

func TestRoomWaitsForTheWriterAndNotForTheDead(t *testing.T) {
	frame := frameOf(10_000)
	size := len(frame.Wire())
	ended := func(wait <-chan struct{}) bool {
		select {
		case <-wait:
			return true
		default:
			return false
		}
	}
	for name, end := range map[string]func(*queue){
		"written":     func(q *queue) { o := newOutgoing(); q.take(o); q.take(o) },
		"ended":       func(q *queue) { q.end(endSlow, frame, true) },
		"killed":      func(q *queue) { q.kill(endGone) },
		"ended later": func(q *queue) { q.end(endDrain, frame, false) },
	} {
		q := queue{limit: 4 * size}
		if q.room(100*size) != nil {
			t.Error("an empty queue has no room; want any frame to go alone")
		}
		q.push(frame)
		if q.room(size) != nil {
			t.Error("half of the queue is no room")
		}
		wait := q.room(size + 1)
		if wait == nil || ended(wait) {
			t.Fatalf("more than half of the queue is room; want to wait")
		}
		end(&q)
		if !ended(wait) || q.room(size+1) != nil {
			t.Errorf("%s: still waiting for room", name)
		}
	}
}
