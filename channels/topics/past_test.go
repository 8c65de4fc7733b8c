package topics

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/channels/resume"
	"walcast/protocol"
)

var _ resume.Section = (*Past)(nil)

// since has a client come, hear what it has missed and stay.
func (p *Past) since(key protocol.Topic, heard uint64) (missed []said, newest uint64, gap bool) {
	_, missed, newest, gap = p.arrive(key, heard, p.began)
	return missed, newest, gap
}

// missed is what a client that has heard nothing but its join has missed.
func missed(p *Past, key protocol.Topic, joined uint64) (n int, gap bool) {
	broadcasts, _, gap := p.since(key, joined)
	return len(broadcasts), gap
}

func TestASilentTopicDoesNotTakeTheRoomOfOthers(t *testing.T) {
	start := time.Now()
	p := newPast(time.Hour, 1000, start)
	large := protocol.Broadcast{Relay: bytes.Repeat([]byte("x"), 100_000)}
	join := func(name string) (protocol.Topic, uint64) {
		key := protocol.Topic{Name: name}
		_, newest, _ := p.since(key, 0)
		return key, newest
	}
	for i := range 40 { // more than is kept of all
		key, _ := join("silent " + string(rune('a'+i)))
		for range 10 {
			p.note(key, Carried{Broadcast: large}, start)
		}
	}
	lively, joined := join("lively")
	for range 5 {
		p.note(lively, Carried{Broadcast: large}, start.Add(time.Minute))
	}
	if n, gap := missed(p, lively, joined); n != 5 || gap {
		t.Errorf("the lively topic has %d broadcasts, gap %t; want 5 and none", n, gap)
	}
	if n, gap := missed(p, protocol.Topic{Name: "silent a"}, 1); n > 0 || !gap {
		t.Errorf("the first silent topic has %d broadcasts, gap %t; want none and a gap", n, gap)
	}
	if p.bytes > allBytes {
		t.Errorf("%d bytes are kept; want %d at most", p.bytes, allBytes)
	}

	p.note(lively, Carried{Broadcast: protocol.Broadcast{Relay: []byte("{}")}}, start.Add(62*time.Minute))
	if n, gap := missed(p, lively, joined); n != 1 || !gap {
		t.Errorf("after the window it has %d broadcasts, gap %t; want 1 and a gap", n, gap)
	}
	if len(p.order) != 1 {
		t.Errorf("%d broadcasts are in order; want those of silent topics gone too", len(p.order))
	}
}

func TestWhatIsKeptIsACopy(t *testing.T) {
	p := newPast(time.Hour, 10, time.Now())
	_, joined, _ := p.since(room, 0)
	buffer := []byte("{}")
	p.note(room, Carried{Broadcast: protocol.Broadcast{Relay: buffer}}, time.Now())
	buffer[0] = 'x'
	if kept, _, _ := p.since(room, joined); string(kept[0].Relay) != "{}" {
		t.Errorf("kept %q; want what was broadcast", kept[0].Relay)
	}
}

// reopened is the past as the next run has it.
func reopened(t *testing.T, p *Past, now time.Time) *Past {
	t.Helper()
	next := newPast(time.Hour, 10, now)
	if err := p.Save(func(v any) error {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return next.Restore(line)
	}); err != nil {
		t.Fatal(err)
	}
	next.Restored()
	return next
}

func TestARestartKeepsThePast(t *testing.T) {
	start := time.Now()
	p := newPast(time.Hour, 10, start)
	var keys []protocol.Topic
	var joined uint64
	for _, name := range []string{"a", "b"} {
		keys = append(keys, protocol.Topic{Name: name, Private: name == "b"})
		_, joined, _ = p.since(keys[len(keys)-1], 0)
	}
	all := []protocol.Broadcast{
		{Relay: []byte(`{"x":1}`)},
		{Opaque: []byte{}},
		{Event: "e", Encoding: protocol.EncodingJSON, Payload: []byte("null"), Meta: []byte(`{"id":"1"}`)},
	}
	for i, b := range all {
		p.note(keys[i%2], Carried{Broadcast: b, Client: "sender"}, start)
	}
	next := reopened(t, reopened(t, p, start), start)
	got, newest, gap := next.since(keys[0], joined)
	want := []said{
		{Number: joined + 1, Sender: "sender", Broadcast: all[0]},
		{Number: joined + 3, Sender: "sender", Broadcast: all[2]},
	}
	for i := range got {
		if !got[i].At.Equal(start) {
			t.Errorf("broadcast %d was at %s; want %s", i, got[i].At, start)
		}
		got[i].At = time.Time{}
	}
	if diff := cmp.Diff(want, got); diff != "" || newest != joined+3 || gap {
		t.Errorf("newest %d, gap %t; want %d and none; broadcasts (-want +got):\n%s", newest, gap, joined+3, diff)
	}
	if n, gap := missed(next, protocol.Topic{Name: "never joined"}, joined); n != 0 || gap {
		t.Errorf("a topic that nothing was broadcast to has %d broadcasts, gap %t; want none", n, gap)
	}
	next.note(keys[0], Carried{Broadcast: all[0]}, start)
	if next.heard() <= newest {
		t.Error("a new broadcast has an old number")
	}
	next.Clear()
	if n, gap := missed(next, keys[1], joined); n != 0 || !gap {
		t.Errorf("after Clear %d broadcasts, gap %t; want a gap", n, gap)
	}
}

// Earlier versions kept messages from SQL too, with an id, and where they are in
// the log.
func TestMessagesFromSQLInTheStateOfAnEarlierVersionAreLeftToTheLog(t *testing.T) {
	p := newPast(time.Hour, 10, time.Date(2026, 1, 2, 12, 1, 0, 0, time.UTC))
	const line = `{"Topic":"realtime:room","Private":false,"Last":9,"Lost":5,"System":"1","Relayed":"0/1:0","Kept":[
		{"Number":8,"At":"2026-01-02T12:00:00Z","ID":"1","Relay":null,"Opaque":null,"Event":"e","Encoding":1,"Payload":"e30=","Meta":null},
		{"Number":9,"At":"2026-01-02T12:00:00Z","Relay":"e30=","Opaque":null,"Event":"","Encoding":0,"Payload":null,"Meta":null}]}`
	if err := p.Restore([]byte(line)); err != nil {
		t.Fatal(err)
	}
	p.Restored()
	got, _, gap := p.since(room, 5)
	if len(got) != 1 || got[0].Number != 9 || string(got[0].Relay) != "{}" || gap {
		t.Errorf("kept %+v, gap %t; want number 9 alone and none", got, gap)
	}
}
