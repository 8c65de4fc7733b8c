package fanout

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/wal"
)

func TestEqualSubscriptionsShareOneFrame(t *testing.T) {
	f := newFixture(t, messagesTable)
	first := newInbox()
	f.subscribe(first, ask{bindings: everyRow}, Start{})
	others := map[string]struct {
		ask
		shares bool
		got    *inbox
	}{
		"an equal one":           {ask{}, true, newInbox()},
		"one of another subject": {ask{role: "authenticated", claims: `{"sub":"x"}`}, true, newInbox()},
		"one on another topic":   {ask{topic: "elsewhere"}, false, newInbox()},
		"one of another version": {ask{version: protocol.V2}, false, newInbox()},
		"an event stream":        {ask{version: protocol.SSE}, false, newInbox()},
	}
	for _, o := range others {
		o.bindings = everyRow
		f.subscribe(o.got, o.ask, Start{})
	}
	f.Commit(logtest.Insert(f.Relation("messages"), "1", "2", "x"))
	first.wait(t, 1)
	for name, o := range others {
		o.got.wait(t, 1)
		if shares := o.got.frames[0] == first.frames[0]; shares != o.shares {
			t.Errorf("%s shares the frame: %t; want %t", name, shares, o.shares)
		}
	}
}

// Hundreds of clients, each on a topic of its own, must not make hundreds of copies of
// a large row, and event streams have one frame, whatever their topics are: one for each shard.
func TestALargeRowIsInMemoryOnceForAllTopics(t *testing.T) {
	f := newFixture(t, messagesTable)
	var sockets, streams []*inbox
	for i := range 20 {
		for version, all := range map[protocol.Version]*[]*inbox{protocol.V2: &sockets, protocol.SSE: &streams} {
			in := newInbox()
			f.subscribe(in, ask{topic: "topic" + strconv.Itoa(i), version: version, bindings: everyRow}, Start{})
			*all = append(*all, in)
		}
	}
	rel := f.Relation("messages")
	bodies := []string{strings.Repeat("x", 2*protocol.SharedFrom), strings.Repeat("y", 3*protocol.SharedFrom), "short"}
	for i, body := range bodies {
		f.Commit(logtest.Insert(rel, strconv.Itoa(i), "2", body))
	}
	data, frames := map[*byte]bool{}, map[*protocol.Frame]bool{}
	for _, in := range slices.Concat(sockets, streams) {
		in.wait(t, len(bodies))
		for n, body := range bodies { // what was built for later rows must not have overwritten it
			if wire := string(in.frames[n].Wire()); !strings.Contains(wire, `"`+body+`"`) {
				t.Errorf("row %d is %.300q; want %.20s in it", n, wire, body)
			}
		}
		pieces := in.frames[0].AppendPieces(nil)
		if len(pieces) != 3 {
			t.Fatalf("a large row is %d pieces; want what is before the data, the data, and what is behind", len(pieces))
		}
		data[&pieces[1][0]] = true
	}
	for _, in := range streams {
		frames[in.frames[2]] = true
	}
	if most := len(f.fanout.shards); len(data) > most || len(frames) > most {
		t.Errorf("the data of a row are %d times in memory, a row of streams is %d frames; want one for each of %d shards", len(data), len(frames), most)
	}
}

// Many clients that read too slowly are closed at once, and it takes seconds until they
// have gone. Others must not wait for frames that nobody gets.
func TestNoFrameIsBuiltForASessionThatEnds(t *testing.T) {
	f := newFixture(t, messagesTable)
	slow, other := newInbox(), newInbox()
	slow.isEnding.Store(true)
	f.subscribe(slow, ask{bindings: everyRow}, Start{})
	f.subscribe(other, ask{bindings: everyRow}, Start{})
	rel := f.Relation("messages")
	f.Commit(logtest.Insert(rel, "1", "2", "x"), logtest.Insert(rel, "2", "2", "x"))
	other.wait(t, 2) // the first was sent to both by then
	slow.mu.Lock()
	defer slow.mu.Unlock()
	if len(slow.frames) > 0 {
		t.Errorf("a session that ends is pushed %q", slow.lines)
	}
}

func TestBindingsShareAFrameUnlessTheirColumnsDiffer(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	f.subscribe(b, ask{bindings: everyRow + `,
		{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.42"},
		{"event":"INSERT","schema":"public","table":"messages","select":["body"]}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", "42", "x"))
	got := b.read(t, 2)
	if n := len(got[0].Payload.IDs); n != 2 {
		t.Errorf("ids of the first frame = %v; want two", got[0].Payload.IDs)
	}
	want := map[string]any{"id": 1.0, "body": "x"}
	if diff := cmp.Diff(want, got[1].Payload.Data.Record); diff != "" {
		t.Errorf("record of the selecting binding (-want +got):\n%s", diff)
	}
}

// A stream that is cut between two events of one change goes on before the change.
func TestOnlyTheLastFrameOfAChangeHasItsPosition(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	const inserts = `{"event":"INSERT","schema":"public","table":"messages"}`
	f.subscribe(b, ask{version: protocol.SSE, bindings: inserts +
		`,{"event":"INSERT","schema":"public","table":"messages","select":["body"]}` +
		`,{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.1"}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", "1", "x"))
	b.wait(t, 2)
	var positions []string
	for _, frame := range b.frames {
		_, position, err := contentOf(frame)
		if err != nil {
			t.Fatal(err)
		}
		positions = append(positions, position)
	}
	if diff := cmp.Diff([]string{"", wal.Position{LSN: f.LSN}.String()}, positions); diff != "" {
		t.Errorf("positions of the frames (-want +got):\n%s", diff)
	}
}

func TestOldClientsGetAChangeUnderItsOperation(t *testing.T) {
	f := newFixture(t, messagesTable)
	b := newInbox()
	r := f.request(b, ask{bindings: everyRow})
	r.Legacy = true
	s := f.fanout.Subscribe(r, Start{})
	t.Cleanup(s.Close)
	f.Commit(logtest.Insert(f.Relation("messages"), "1", "1", "x"))
	if got := b.read(t, 1)[0].Event; got != "INSERT" {
		t.Errorf("event = %s; want INSERT", got)
	}
}
