package topics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"walcast/protocol"
)

// visit has a client come to a topic and leave it.
func (p *Past) visit(key protocol.Topic, now time.Time) (joined uint64) {
	of, _, joined, _ := p.arrive(key, 0, now)
	if of != nil {
		p.leave(of, now)
	}
	return joined
}

// saved is how many bytes a past takes in the state file.
func saved(t *testing.T, p *Past) (bytes int) {
	t.Helper()
	if err := p.Save(func(v any) error {
		line, err := json.Marshal(v)
		bytes += len(line)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return bytes
}

func TestTopicsThatClientsHaveLeftAreBoundedInBytesWhateverTheirNames(t *testing.T) {
	start := time.Now()
	p := newPast(time.Hour, 1_000_000, start)
	long := strings.Repeat("x", 5000)
	for i := range 20_000 { // 100 MB of names
		p.visit(protocol.Topic{Name: fmt.Sprint(long, i)}, start)
	}
	topics, bytes := p.size()
	if bytes > nameBytes+allBytes || topics < 1000 {
		t.Errorf("%d topics take %d bytes; want thousands within %d", topics, bytes, nameBytes+allBytes)
	}
	if size := saved(t, p); size > 2*nameBytes {
		t.Errorf("they take %d bytes in the state file; want %d at most", size, 2*nameBytes)
	}
	next := reopened(t, p, start)
	if again, _ := next.size(); again > topics {
		t.Errorf("the next run has %d topics; want %d at most", again, topics)
	}
}

func TestTopicsThatClientsAreOnKeepTheirPastWhenOthersComeAndGo(t *testing.T) {
	start := time.Now()
	p := newPast(time.Hour, 10, start)
	_, joined, _ := p.since(room, 0)
	p.note(room, Carried{Broadcast: protocol.Broadcast{Relay: []byte("{}")}}, start)
	for i := range 100 {
		p.visit(protocol.Topic{Name: fmt.Sprint(i)}, start)
	}
	if n, gap := missed(p, room, joined); n != 1 || gap {
		t.Errorf("its client has missed %d broadcasts, gap %t; want 1 and none", n, gap)
	}
}

func TestWhatNobodyCanComeBackForIsForgottenAfterTheWindow(t *testing.T) {
	start := time.Now()
	p := newPast(time.Minute, 100, start)
	here := protocol.Topic{Name: "somebody is here"}
	p.since(here, 0)
	for i := range 50 {
		key := protocol.Topic{Name: fmt.Sprint(i)}
		p.visit(key, start)
		p.note(key, Carried{Broadcast: protocol.Broadcast{Relay: []byte("{}")}}, start)
	}
	p.Expire(start.Add(time.Minute + time.Second))
	topics, _ := p.size()
	if topics != 1 || p.byTopic[here] == nil || p.bytes != 0 || len(p.order) != 0 || p.names != p.byTopic[here].cost() {
		t.Errorf("%d topics with %d bytes of broadcasts and %d of names are kept; want the one that somebody is on", topics, p.bytes, p.names)
	}
}

func TestWhoWasAwayForLongIsToldOfAGapOnlyIfSomethingWasBroadcast(t *testing.T) {
	start := time.Now()
	p := newPast(time.Minute, 100, start)
	quiet, busy := protocol.Topic{Name: "quiet"}, protocol.Topic{Name: "busy"}
	heard := map[protocol.Topic]uint64{quiet: p.visit(quiet, start), busy: p.visit(busy, start)}
	later := start.Add(time.Hour)
	p.Expire(later)
	p.note(busy, Carried{Broadcast: protocol.Broadcast{Relay: []byte("{}")}}, later) // no client may come back for it
	for run := range 2 {
		for key, want := range map[protocol.Topic]bool{quiet: false, busy: true} {
			if n, gap := missed(p, key, heard[key]); n != 0 || gap != want {
				t.Errorf("run %d: %s has %d broadcasts, gap %t; want none and %t", run, key.Name, n, gap, want)
			}
		}
		p = reopened(t, p, later)
	}
}

func TestAMemberThatLeavesTwiceIsCountedOutOnce(t *testing.T) {
	f := newFixture(t, Config{})
	m, _ := f.join(room, MemberConfig{Client: "a", Returning: &Returning{}})
	other, _ := f.join(room, MemberConfig{Client: "b", Returning: &Returning{}})
	m.Leave()
	m.Leave()
	f.past.Expire(time.Now().Add(24 * time.Hour))
	if topics, _ := f.past.size(); topics != 1 {
		t.Errorf("%d topics are known while a client is on one; want 1", topics)
	}
	other.Leave()
	f.past.Expire(time.Now().Add(24 * time.Hour))
	if topics, _ := f.past.size(); topics != 0 {
		t.Errorf("%d topics are known when all have left for long; want none", topics)
	}
}
