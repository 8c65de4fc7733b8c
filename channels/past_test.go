package channels

import (
	"bytes"
	"testing"
	"time"

	"walcast/protocol"
	"walcast/replication/changelog"
)

// pastOf is a topic's past as a client that has heard nothing but its join sees it.
func pastOf(p *pasts, key topicKey, joined uint64) (missed int, gap bool) {
	heard, _, gap := p.since(key, joined, changelog.Standing{})
	return len(heard), gap
}

func TestASilentTopicDoesNotTakeTheRoomOfOthers(t *testing.T) {
	start := time.Now()
	p := newPasts(time.Hour, 1000, start)
	large := protocol.Broadcast{Relay: bytes.Repeat([]byte("x"), 100_000)}
	join := func(name string) (topicKey, uint64) {
		key := topicKey{name: name}
		_, upTo, _ := p.since(key, 0, changelog.Standing{})
		return key, upTo
	}
	for i := range 40 { // more than is kept of all
		key, _ := join("silent " + string(rune('a'+i)))
		for range 10 {
			p.note(key, large, "", start)
		}
	}
	lively, joined := join("lively")
	for range 5 {
		p.note(lively, large, "", start.Add(time.Minute))
	}
	if missed, gap := pastOf(p, lively, joined); missed != 5 || gap {
		t.Errorf("the lively topic has %d broadcasts, gap %t; want 5 and none", missed, gap)
	}
	if missed, gap := pastOf(p, topicKey{name: "silent a"}, 1); missed > 0 || !gap {
		t.Errorf("the first silent topic has %d broadcasts, gap %t; want none and a gap", missed, gap)
	}
	if p.bytes > allBytes {
		t.Errorf("%d bytes are kept; want %d at most", p.bytes, allBytes)
	}

	p.note(lively, protocol.Broadcast{Relay: []byte("{}")}, "", start.Add(62*time.Minute))
	if missed, gap := pastOf(p, lively, joined); missed != 1 || !gap {
		t.Errorf("after the window it has %d broadcasts, gap %t; want 1 and a gap", missed, gap)
	}
	if len(p.order) != 1 {
		t.Errorf("%d broadcasts are in order; want those of silent topics gone too", len(p.order))
	}
}

func TestAnInterruptionIsToldToWhoComesBack(t *testing.T) {
	p := newPasts(time.Hour, 1000, time.Now())
	key := topicKey{name: "room"}
	_, joined, _ := p.since(key, 0, changelog.Standing{})
	p.interrupt(true)
	if _, gap := pastOf(p, key, joined); gap {
		t.Error("what an earlier run has missed is told for a topic of this run")
	}
	p.interrupt(false)
	if _, gap := pastOf(p, key, joined); !gap {
		t.Error("an interruption is not told")
	}
}
