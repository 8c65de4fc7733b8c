package exchange

import (
	"testing"
	"time"

	"walcast/internal/nodes"
	"walcast/presence"
	"walcast/protocol"
)

// listening is a roll with a topic that is listened to, and a node that has answered.
func listening(now time.Time) *roll {
	r := newRoll()
	r.hold(room)
	fresh, _ := r.changed()
	r.listened(fresh, now)
	r.compare("run", said(5, 0), now)
	r.due(now)
	r.got("run", digestOf(room))
	return r
}

func TestASummaryThatTellsTooLittle(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		next summary
		asks bool
	}{
		"it goes on":              {said(9, 5), false},
		"something is in between": {said(9, 6), true},
	} {
		r := listening(now)
		if _, _, misses := r.compare("run", c.next, now); misses != c.asks || len(r.due(now)["run"]) > 0 != c.asks {
			t.Errorf("%s: misses = %v; want %v, and the topic to be asked for", name, misses, c.asks)
		}
	}
}

func TestAQuestionIsPutAgain(t *testing.T) {
	now := time.Now()
	r := listening(now)
	if news := r.want("run", digestOf(room), digestOf(other)); news != 1 || len(r.due(now)["run"]) != 1 {
		t.Errorf("%d topics are asked for; want the one that somebody is on", news)
	}
	if news := r.want("run", digestOf(room)); news != 0 || len(r.due(now)) != 0 {
		t.Error("a topic is asked for twice at a time")
	}
	r.expire(now.Add(askAgain/2), 0)
	if len(r.due(now)) != 0 {
		t.Error("the answer is not waited for")
	}
	r.expire(now.Add(askAgain+1), 0)
	if len(r.due(now)["run"]) != 1 {
		t.Error("a question that is not answered is not put again")
	}
}

func TestTopicsAreAskedForInTurn(t *testing.T) {
	now := time.Now()
	r := newRoll()
	for n := range askedMost + 10 {
		r.hold(protocol.Topic{Name: string(rune(n))})
	}
	fresh, _ := r.changed()
	r.listened(fresh, now)
	r.compare("run", summary{}, now)
	first := r.due(now)["run"]
	if len(first) != askedMost || len(r.due(now)) != 0 {
		t.Fatalf("%d topics are asked for at a time; want %d", len(first), askedMost)
	}
	for _, i := range first[:3] {
		r.got("run", i.digest)
	}
	if got := len(r.due(now)["run"]); got != 3 {
		t.Errorf("after three answers %d more are asked for; want 3", got)
	}
	for _, i := range first {
		r.release(i.topic)
	}
	if got := len(r.due(now)["run"]); got != 7 {
		t.Errorf("once nobody needs those %d more are asked for; want 7", got)
	}
}

// order is a bus that notes the kinds of messages.
type order struct {
	nodes.Bus
	kinds string
}

func (o *order) Send(_ string, data []byte) error {
	o.kinds += string(data[1])
	return nil
}

// TestAnAnswerComesBeforeWhatIsNewer, or a delta would not follow what is known.
func TestAnAnswerComesBeforeWhatIsNewer(t *testing.T) {
	bus := &order{}
	o := &outgoing{bus: bus, run: "run", metrics: newMetrics(nil, newRoll())}
	o.reply("a", part{digest: digestOf(room), topic: room})
	o.reply("a", part{digest: digestOf(other), topic: other})
	o.send(room, presence.Delta{})
	o.reply("a", part{digest: digestOf(room), topic: room})
	o.reply("b", part{digest: digestOf(room), topic: room})
	o.endReply()
	if want := "adaa"; bus.kinds != want {
		t.Errorf("messages leave as %s; want %s", bus.kinds, want)
	}
}
