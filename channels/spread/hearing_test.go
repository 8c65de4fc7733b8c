package spread

import (
	"slices"
	"testing"
	"time"

	"walcast/channels/topics"
	"walcast/internal/nodes"
	"walcast/protocol"
)

// TestWhatIsMissing plays what one node sends to another, and what of it arrives.
func TestWhatIsMissing(t *testing.T) {
	other := protocol.Topic{Name: "realtime:other"}
	type step struct {
		to      protocol.Topic // "" is a summary
		arrives bool
		later   time.Duration // before it
	}
	say, lose := step{to: room, arrives: true}, step{to: room}
	summary, noSummary := step{arrives: true}, step{}
	away := step{arrives: true, later: nodes.Age + time.Second}
	for _, c := range []struct {
		name  string
		steps []step
		want  bool // something is missing of the room
		all   bool // and of a topic that nothing was sent to, as nobody can say
	}{
		{"nothing is lost", []step{say, say, summary, say, summary}, false, false},
		{"one in the middle", []step{say, lose, say}, true, false},
		{"the first", []step{lose, say}, true, false},
		{"the last", []step{say, lose, summary}, true, false},
		{"all", []step{lose, summary}, true, false},
		{"the last, and a summary", []step{say, lose, noSummary, summary}, true, false},
		{"a summary", []step{say, noSummary, say, summary}, false, false},
		{"one of long ago, and its summaries", []step{say, lose, away}, true, true},
		{"summaries for long, and nothing else", []step{say, summary, {to: other, arrives: true}, away}, true, true},
		{"one to another topic", []step{say, {to: other}, summary, say, summary}, false, false},
		{"silence, and nothing lost", []step{say, summary, away, say, summary}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, now, run := newHearing(), time.Now(), "r"
			from := newWindow()
			h.compare(summaryOf(run, from.Summary(now), false), now)
			quiet := protocol.Topic{Name: "realtime:quiet"}
			h.hold(room, topics.Members)
			h.hold(quiet, topics.Members)
			h.listened(h.fresh)
			number, _ := h.ask(now, 0)
			h.answered(message{kind: kindAnswer, run: run, number: from.Number(), round: number})
			for _, s := range c.steps {
				now = now.Add(s.later)
				if s.to.Name == "" {
					if m := summaryOf(run, from.Summary(now), false); s.arrives {
						h.compare(m, now)
					}
					continue
				}
				number, prev := from.Next(addressOf(s.to).digest, now)
				m := message{kind: kindBroadcast, run: run, number: number, prev: prev, key: s.to}
				if s.arrives && !h.take(m, now) && s.to == room {
					t.Errorf("broadcast %d is not taken", number)
				}
				if s.arrives && h.take(m, now) {
					t.Errorf("broadcast %d is taken twice", number)
				}
			}
			if missing := h.expire(now); slices.Contains(missing, room) != c.want || slices.Contains(missing, quiet) != c.all {
				t.Errorf("topics of which something is missing: %v; want the room: %t, and the other: %t", missing, c.want, c.all)
			}
			if missing := h.expire(now); len(missing) > 0 {
				t.Error("a loss is told twice")
			}
		})
	}
}

// TestWhoJoinsIsOwedNothingOfBefore has a topic be listened to while it is broadcast to.
func TestWhoJoinsIsOwedNothingOfBefore(t *testing.T) {
	h, now, run := newHearing(), time.Now(), "r"
	from := newWindow()
	digest := addressOf(room).digest
	h.compare(summaryOf(run, from.Summary(now), false), now)
	from.Next(digest, now) // for nobody here
	h.hold(room, topics.Members)
	settled := h.settled(room)
	h.listened(h.fresh)
	round, _ := h.ask(now, 0)
	from.Next(digest, now) // sent before the other node knows
	h.compare(summaryOf(run, from.Summary(now), false), now)
	select {
	case <-settled:
		t.Error("settled before the other node knows")
	default:
	}
	answer := message{kind: kindAnswer, run: run, number: from.Number(), round: round}
	h.answered(answer)
	select {
	case <-settled:
	default:
		t.Error("not settled when the other node knows")
	}
	number, prev := from.Next(digest, now)
	if !h.take(message{kind: kindBroadcast, run: run, number: number, prev: prev, key: room}, now) {
		t.Error("what comes after it is not taken")
	}
	h.compare(summaryOf(run, from.Summary(now), false), now)
	if missing := h.expire(now); len(missing) > 0 {
		t.Error("what was sent before is taken for missing")
	}
}

// TestNobodyWaitsForASilentNode ends the wait of joins.
func TestNobodyWaitsForASilentNode(t *testing.T) {
	h, now := newHearing(), time.Now()
	h.compare(message{kind: kindSummary, run: "r"}, now)
	h.hold(room, topics.Members)
	h.listened(h.fresh)
	if round, _ := h.ask(now, 0); round == 0 {
		t.Fatal("nobody is asked")
	}
	settled := h.settled(room)
	h.expire(now.Add(roundLimit + 1))
	<-settled
	h.release(room, topics.Members)
	h.hold(room, topics.Members)
	h.listened(h.fresh)
	if round, _ := h.ask(now.Add(sourceAwaited), 0); round != 0 {
		t.Error("a node that was silent for long is asked")
	}
	<-h.settled(room)
}

func TestTheWindowIsBounded(t *testing.T) {
	w := newWindow()
	now := time.Now()
	for n := range uint64(windowTopics + 100) {
		w.Next(n, now)
	}
	m := summaryOf("r", w.Summary(now), false)
	if len(m.news) != windowTopics || m.prev != 100 || m.number != windowTopics+100 {
		t.Errorf("the summary has %d topics after %d up to %d", len(m.news), m.prev, m.number)
	}
	if size := len(m.encode()); size > 1<<20 {
		t.Errorf("the summary has %d bytes, more than NATS takes", size)
	}
}
