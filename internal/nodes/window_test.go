package nodes

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAWindowTellsTheNewestOfEachTopicInTheirOrder(t *testing.T) {
	w, now := Window[string]{Most: 2}, time.Now()
	for _, sent := range []struct {
		topic        string
		number, prev uint64
	}{{"a", 1, 0}, {"b", 2, 0}, {"a", 3, 1}, {"c", 4, 0}, {"b", 5, 0}} {
		if number, prev := w.Next(sent.topic, now); number != sent.number || prev != sent.prev {
			t.Errorf("Next(%s) = %d, %d; want %d, %d", sent.topic, number, prev, sent.number, sent.prev)
		}
	}
	if w.Number() != 5 {
		t.Errorf("Number = %d; want 5", w.Number())
	}
	want := Summary[string]{Number: 5, From: 3, News: []News[string]{{"c", 4}, {"b", 5}}}
	if diff := cmp.Diff(want, w.Summary(now)); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if s := w.Summary(now.Add(Age + 1)); len(s.News) != 0 || s.From != s.Number || len(w.byTopic) != 0 {
		t.Errorf("after its age the window has %d topics after %d", len(s.News), s.From)
	}
}
