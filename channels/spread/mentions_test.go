package spread

import (
	"testing"
	"time"
)

func TestATopicIsSilentUntilItIsMentioned(t *testing.T) {
	m := newMentions()
	at := func(seconds int) time.Time { return m.began.Add(time.Duration(seconds) * time.Second) }
	want := func(what string, topic uint64, since int, silent bool) {
		t.Helper()
		if got := m.silent(topic, at(since)); got != silent {
			t.Errorf("%s: topic %d silent since second %d: %t; want %t", what, topic, since, got, silent)
		}
	}
	want("nothing is known of the time before", 1, -1, false)
	want("nor of the first moment", 1, 0, false)
	want("nothing was broadcast", 1, 1, true)
	m.note(1, at(10))
	want("since a time before", 1, 9, false)
	want("since the same time", 1, 10, false)
	want("since a later time", 1, 11, true)
	want("another topic", 2, 9, true)
	want("a topic that shares the slot", 1+mentionSlots, 9, false)
	m.noteAll(at(20))
	want("any may have been broadcast to", 2, 19, false)
	want("and nothing since", 1, 21, true)
}
