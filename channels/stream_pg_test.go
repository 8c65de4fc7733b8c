package channels

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// eventReader is an event stream whose socket is memory.
type eventReader struct {
	f       *fixture
	session *Session
	ended   chan string // why, once

	mu     sync.Mutex
	came   *sync.Cond
	events []event
	frames []*protocol.Frame
}

// event is a block of the stream. A block without a name is a sign of life.
type event struct{ name, id, data string }

func (r *eventReader) Push(f *protocol.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var e event
	for _, line := range strings.Split(string(f.Wire()), "\n") {
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		}
	}
	r.events = append(r.events, e)
	r.frames = append(r.frames, f)
	r.came.Broadcast()
}

func (r *eventReader) Close(_ int, reason string) { r.ended <- reason }

// stream opens a session for an event stream, which is not joined yet.
func (f *fixture) stream(signed string) *eventReader {
	f.Helper()
	r := &eventReader{f: f, ended: make(chan string, 1)}
	r.came = sync.NewCond(&r.mu)
	r.session = f.hub.Open(r, Identity{Version: protocol.SSE, Token: signed})
	f.Cleanup(r.session.Close)
	return r
}

func (r *eventReader) admit(ctx context.Context, config, from string) (begin func(), err error) {
	return r.session.Admit(ctx, protocol.Message{
		JoinRef: `"1"`, Ref: `"1"`, Topic: "realtime:room", Event: protocol.EventJoin, Payload: []byte(`{"config":` + config + `}`),
	}, Stream{Resume: protocol.Resume{From: from}})
}

// follow opens a stream of the bindings that goes on after a position.
func (f *fixture) follow(list, from string) *eventReader {
	f.Helper()
	r := f.stream(token(f.T, "anon", "", time.Hour))
	begin, err := r.admit(f.Context(), bindings(list), from)
	if err != nil {
		f.Fatalf("Admit = %v; want it allowed", err)
	}
	begin()
	return r
}

// waitFor returns the events of a name, once there are n.
func (r *eventReader) waitFor(name string, n int) (found []event) {
	r.f.Helper()
	timer := time.AfterFunc(patient, r.came.Broadcast)
	defer timer.Stop()
	start := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		found = slices.DeleteFunc(slices.Clone(r.events), func(e event) bool { return e.name != name })
		if len(found) >= n {
			return found
		}
		if time.Since(start) >= patient {
			r.f.Fatalf("waited %s for %d events %q, have %v", patient, n, name, r.events)
		}
		r.came.Wait()
	}
}

// ids are the id columns of the first n rows that were delivered.
func (r *eventReader) ids(n int) (ids []any) {
	r.f.Helper()
	for _, e := range r.waitFor(protocol.EventPostgresChanges, n) {
		var payload struct {
			Data struct{ Record map[string]any }
		}
		if err := json.Unmarshal([]byte(e.data), &payload); err != nil {
			r.f.Fatalf("data %s: %v", e.data, err)
		}
		ids = append(ids, payload.Data.Record["id"])
	}
	return ids
}

// pulse is the position of a sign of life.
func (r *eventReader) pulse() string {
	r.f.Helper()
	before := len(r.waitFor("", 0))
	r.session.Pulse()
	return r.waitFor("", before+1)[before].id
}

const inserts = `{"event":"INSERT","schema":"public","table":"messages"}`

func TestAStreamGoesOnAfterEachOfItsEvents(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	first := f.follow(inserts, "")
	f.Commit(logtest.Insert(rel, "1", "1", "a"), logtest.Insert(rel, "2", "1", "b"))
	f.Commit(logtest.Insert(rel, "3", "1", "c"))
	first.ids(3)
	seen := append(first.waitFor(protocol.EventReply, 1), first.waitFor(protocol.EventPostgresChanges, 3)...)
	all := []any{1.0, 2.0, 3.0, 4.0}
	f.Commit(logtest.Insert(rel, "4", "1", "d"))
	for i, e := range seen {
		if e.id == "" {
			t.Fatalf("event %d has no id: %v", i, e)
		}
		again := f.follow(inserts, e.id)
		if diff := cmp.Diff(all[i:], again.ids(len(all)-i)); diff != "" {
			t.Errorf("after event %d, %s (-want +got):\n%s", i, e.id, diff)
		}
	}
}

// A stream that is cut between two events of one change goes on before the change.
func TestOnlyTheLastEventOfAChangeHasItsPosition(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	r := f.follow(inserts+`,{"event":"INSERT","schema":"public","table":"messages","select":["body"]},`+
		`{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.1"}`, "")
	f.Commit(logtest.Insert(rel, "1", "1", "x"))
	got := r.waitFor(protocol.EventPostgresChanges, 2)
	if got[0].id != "" || got[1].id != (wal.Position{LSN: f.LSN}).String() {
		t.Errorf("ids = %q, %q; want none and %s", got[0].id, got[1].id, wal.Position{LSN: f.LSN})
	}
}

func TestEqualStreamsShareOneFrame(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	a, b := f.follow(inserts, ""), f.follow(inserts, "")
	socket := f.connect("anon", "")
	socket.join("realtime:room", bindings(inserts))
	f.Commit(logtest.Insert(rel, "1", "1", "x"))
	change := func(r *eventReader) *protocol.Frame {
		r.waitFor(protocol.EventPostgresChanges, 1)
		i := slices.IndexFunc(r.events, func(e event) bool { return e.name == protocol.EventPostgresChanges })
		return r.frames[i]
	}
	if change(a) != change(b) {
		t.Error("equal streams got two frames; want one shared")
	}
	if socket.waitFor(protocol.EventPostgresChanges, 1)[0].frame == change(a) {
		t.Error("a stream and a WebSocket got one frame")
	}
}

func TestAStreamWithoutMatchesDoesNotFallBehind(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	const rare = `{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.42"}`
	r := f.follow(rare, "")
	start := r.waitFor(protocol.EventReply, 1)[0].id
	f.Commit(logtest.Insert(rel, "1", "1", "not for it"))
	f.Commit(logtest.Insert(rel, "2", "1", "not for it"))
	// It has come this far when the log's head is all it has to hear of.
	head := f.Changes.Head().String()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patient)
	for at := start; at != head; at = r.pulse() {
		<-ticker.C
		if time.Now().After(deadline) {
			t.Fatalf("stream is at %s; want %s", at, head)
		}
	}
	f.Commit(logtest.Insert(rel, "3", "42", "for it"))
	again := f.follow(rare, head)
	if diff := cmp.Diff([]any{3.0}, again.ids(1)); diff != "" {
		t.Errorf("after %s (-want +got):\n%s", head, diff)
	}
	r.session.Close()
	before := len(r.waitFor("", 0))
	r.session.Pulse()
	if after := len(r.waitFor("", 0)); after != before {
		t.Error("a stream that has ended gives signs of life")
	}
}

// A sign of life that fell behind a change would bring it again.
func TestAStreamsPositionsNeverGoBack(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	r := f.follow(inserts, "")
	const rows = 2000
	var work sync.WaitGroup
	work.Go(func() {
		for range rows {
			f.Commit(logtest.Insert(rel, "1", "1", "x"))
		}
	})
	pulsing := make(chan struct{})
	var pulses sync.WaitGroup
	pulses.Go(func() {
		for {
			select {
			case <-pulsing:
				return
			default:
				r.session.Pulse()
			}
		}
	})
	work.Wait()
	r.waitFor(protocol.EventPostgresChanges, rows)
	close(pulsing)
	pulses.Wait()
	var last wal.Position
	for i, e := range r.events {
		if e.id == "" {
			continue
		}
		at, err := wal.ParsePosition(e.id)
		if err != nil {
			t.Fatal(err)
		}
		if at.Compare(last) < 0 {
			t.Fatalf("event %d, %q, is at %s, after %s", i, e.name, at, last)
		}
		last = at
	}
}

func TestAStreamThatIsRefusedHearsNothing(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	for name, c := range map[string]struct{ config, want string }{
		"a bad filter":     {bindings(`{"schema":"public","table":"messages","filter":"id"}`), "Error parsing `filter` params"},
		"no table":         {bindings(`{"event":"INSERT"}`), "No subscription params provided"},
		"an unknown event": {bindings(`{"event":"insrt","table":"messages"}`), "Error parsing `event` params"},
		"a private topic":  {`{"private":true}`, "private channels need the table realtime.messages"},
		"no object":        {`[]`, "UnknownErrorOnChannel"},
	} {
		r := f.stream(token(t, "anon", "", time.Hour))
		begin, err := r.admit(t.Context(), c.config, "")
		if err == nil || begin != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Admit = %v; want one that says %s", name, err, c.want)
		}
		if len(r.events) > 0 {
			t.Errorf("%s: heard %v; want nothing", name, r.events)
		}
	}
	if n := f.gauge("walcast_channels_topics"); n != 0 {
		t.Errorf("%v topics are left", n)
	}
}

func TestAStreamFromNowhereIsToldToResync(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	f.Commit(logtest.Insert(rel, "1", "1", "before"))
	r := f.follow(inserts, "garbage")
	var told event
	for _, e := range r.waitFor(protocol.EventSystem, 1) {
		if strings.Contains(e.data, "resync_required") {
			told = e
		}
	}
	if want := f.Changes.Standing().Position.String(); told.id != want || !strings.Contains(told.data, `"position":"`+want+`"`) {
		t.Errorf("told %v; want a resync with the position %s as id", told, want)
	}
	f.Commit(logtest.Insert(rel, "2", "1", "after"))
	if diff := cmp.Diff([]any{2.0}, r.ids(1)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestAStreamHearsBroadcastsUnlessItDoesNotWantTo(t *testing.T) {
	f := newFixture(t, DefaultConfig())
	open := func(deaf bool) *eventReader {
		r := f.stream(token(t, "anon", "", time.Hour))
		begin, err := r.session.Admit(t.Context(), protocol.Message{
			Topic: "realtime:room", Event: protocol.EventJoin, Payload: []byte(`{"config":{"presence":{"enabled":false}}}`),
		}, Stream{Deaf: deaf})
		if err != nil {
			t.Fatal(err)
		}
		begin()
		return r
	}
	deaf, hears := open(true), open(false)
	f.connect("anon", "").speak("realtime:room", 2)
	const want = `{"event":"e", "payload":{"x": 1.50},"type":"broadcast"}`
	if got := hears.waitFor(protocol.EventBroadcast, 2)[0]; got.data != want || got.id != "" {
		t.Errorf("heard %v; want %s without an id", got, want)
	}
	if got := deaf.waitFor(protocol.EventBroadcast, 0); len(got) > 0 { // the first was pushed to everybody before the second
		t.Errorf("who wants no broadcasts heard %v", got)
	}
}

// speak joins a topic and broadcasts to it, several times the same.
func (c *client) speak(topic string, times int) {
	c.join(topic, `{"presence":{"enabled":false}}`)
	for range times {
		c.send(topic, protocol.EventBroadcast, "{\"event\":\"e\",\n\"payload\":{\"x\": 1.50},\"type\":\"broadcast\"}")
	}
}

func TestAStreamEndsWithItsToken(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	r := f.stream(token(t, "anon", "", 2*time.Second))
	begin, err := r.admit(t.Context(), `{"presence":{"enabled":false}}`, "")
	if err != nil {
		t.Fatal(err)
	}
	begin()
	select {
	case <-r.ended:
	case <-time.After(patient):
		t.Fatal("the stream goes on")
	}
	if got := r.waitFor(protocol.EventSystem, 1)[0].data; !strings.Contains(got, "Token has expired") {
		t.Errorf("last words are %s; want why", got)
	}
	if got := len(r.events); got != 2 || r.events[0].name != protocol.EventReply {
		t.Errorf("heard %v; want a reply and why it ends", r.events)
	}
}

// Without a position a stream that is cut could not go on, and would not know.
func TestAStreamWaitsForItsPosition(t *testing.T) {
	config := DefaultConfig()
	f := newIdleFixture(t, config, messagesTable)
	begun := f.Changes
	f.Changes = changelog.New(changelog.Config{Bytes: 64 << 20, Window: time.Hour})
	config.ResumeWait = 50 * time.Millisecond
	f.rerun(config, func() {})
	r := f.stream(token(t, "anon", "", time.Hour))
	if _, err := r.admit(t.Context(), bindings(inserts), ""); !errors.Is(err, protocol.RefuseDatabaseAway) {
		t.Errorf("Admit = %v; want %s", err, protocol.RefuseDatabaseAway)
	}
	begin, err := r.admit(t.Context(), `{}`, "")
	if err != nil {
		t.Fatalf("Admit without bindings = %v; want it allowed", err)
	}
	begin()
	f.hub.config.ResumeWait = patient
	admitted := make(chan func(), 1)
	waiting := f.stream(token(t, "anon", "", time.Hour))
	go func() {
		begin, err := waiting.admit(t.Context(), bindings(inserts), "")
		if err != nil {
			t.Error(err)
		}
		admitted <- begin
	}()
	f.Changes.Begin(begun.History(), f.LSN, "")
	if begin := <-admitted; begin != nil {
		begin()
		if id := waiting.waitFor(protocol.EventReply, 1)[0].id; id == "" {
			t.Error("the stream begins without a position")
		}
	}
}
