package fanout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

func TestAMatchingRowIsDeliveredOnceToEachSubscription(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	s := f.subscribe(b, ask{bindings: `{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.42"}`}, Start{})
	if got, want := s.Started(), f.Changes.Standing(); got != want {
		t.Errorf("Started = %v; want %v", got, want)
	}
	f.Commit(logtest.Insert(rel, "1", "42", "here"), logtest.Insert(rel, "2", "7", "elsewhere"), logtest.Insert(rel, "3", "42", "NULL"))
	got := b.read(t, 2)
	want := []map[string]any{
		{"id": 1.0, "channel_id": 42.0, "body": "here"},
		{"id": 3.0, "channel_id": 42.0, "body": nil},
	}
	for i, p := range got {
		if diff := cmp.Diff(want[i], p.Payload.Data.Record); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
	}
	if got := got[1].Payload.Data.Seq; got != 2 {
		t.Errorf("seq = %v; want 2", got)
	}
}

func TestAFilterThatOnlyPostgresCanDecide(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	f.subscribe(b, ask{bindings: `{"event":"*","schema":"public","table":"messages","filter":"body=match.^(a+)b\\1$"}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", "2", "aba"), logtest.Insert(rel, "2", "2", "aab"), logtest.Insert(rel, "3", "2", "aabaa"))
	if diff := cmp.Diff([]string{"row 1", "row 3"}, b.wait(t, 2)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestNothingIsLostBeforeTheFanoutRuns(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.Changes.Begin(firstHistory, f.LSN, "")
	rel := f.Relation("messages")
	first := logtest.Insert(rel, "1", "2", "x")
	f.Commit(first)
	live, named := newInbox(), newInbox()
	f.subscribe(live, ask{bindings: everyRow}, Start{})
	f.Commit(logtest.Insert(rel, "2", "2", "x"))
	f.subscribe(named, ask{bindings: everyRow, after: []wal.Position{first.Position}}, Start{From: Named})
	f.run()
	for name, b := range map[string]*inbox{"live": live, "named": named} {
		if diff := cmp.Diff([]string{"row 2"}, b.wait(t, 1)); diff != "" {
			t.Errorf("rows of the %s subscription (-want +got):\n%s", name, diff)
		}
	}
}

// A subscription made before the log began gets what committed since. When its client
// is told a position it gets everything after that, whenever it committed.
func TestAfterAResyncASubscriptionFromBeforeTheLogBeganGetsEverything(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	f.subscribe(b, ask{bindings: everyRow}, Start{})
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.Commit(logtest.Insert(rel, "1", "1", "gone before a lane has read it"))
	f.Changes.Release(time.Now().Add(2 * time.Hour))
	position := f.Changes.Head().String()
	f.run()
	b.wait(t, 1)
	f.Commit(logtest.Insert(rel, "2", "1", "of long ago, as commit times go"))
	if diff := cmp.Diff([]string{"resync " + changelog.CodeTooOld, "row 2"}, b.wait(t, 2)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if got := b.read(t, 1)[0].Payload.Position; got == nil || *got != position {
		t.Errorf("position of the resync = %v; want %s", got, position)
	}
}

// A subscription that started live before the log began does not get the rows
// that are read again after a restart: their commit times are older.
func TestASubscriptionFromBeforeTheLogBeganGetsWhatCommitsAfterwards(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	f.subscribe(b, ask{bindings: everyRow}, Start{Resync: &changelog.ResyncError{Code: changelog.CodeUnknown}})
	f.Changes.Begin(firstHistory, f.LSN, "")
	news := logtest.Insert(rel, "2", "1", "news")
	news.CommitTime = time.Now()
	f.Commit(logtest.Insert(rel, "1", "1", "of long ago"))
	f.Commit(news)
	f.run()
	if diff := cmp.Diff([]string{"resync " + changelog.CodeUnknown, "row 2"}, b.wait(t, 2)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestANewHistoryIsToldToThoseWhoMissSomething(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	bound, known, stranger := newInbox(), newInbox(), newInbox()
	f.subscribe(bound, ask{bindings: everyRow}, Start{})
	f.subscribe(known, ask{recognised: true}, Start{})
	f.subscribe(stranger, ask{}, Start{})
	f.Commit(logtest.Insert(rel, "1", "2", "x"))
	bound.wait(t, 1)
	f.LSN = 0x100000
	f.Changes.Begin(changelog.History{System: "2", Timeline: 1, Slot: "walcast"}, f.LSN, changelog.CodeOtherCluster)
	bound.wait(t, 2)
	f.Commit(logtest.Insert(rel, "2", "2", "x"), said("room", 3))
	for _, c := range []struct {
		name string
		got  *inbox
		want []string
	}{
		{"with bindings", bound, []string{"row 1", "resync " + changelog.CodeOtherCluster, "row 2", "message 3"}},
		{"with a client_id", known, []string{"resync " + protocol.CodeBroadcastsMissed, "message 3"}},
		{"without", stranger, []string{"message 3"}},
	} {
		if diff := cmp.Diff(c.want, c.got.wait(t, len(c.want))); diff != "" {
			t.Errorf("a subscription %s (-want +got):\n%s", c.name, diff)
		}
	}
	if told := known.read(t, 1)[0].Payload; told.From != nil || told.Position != nil {
		t.Errorf("told %+v; want no positions where there are no bindings", told)
	}
}

func TestASubscriptionMadeBehindTheLanesGapIsNotToldOfIt(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.Changes.Begin(firstHistory, f.LSN, "")
	rel := f.Relation("messages")
	f.Commit(logtest.Insert(rel, "1", "1", "gone before the lanes have read it"), said("room", 1))
	f.Changes.Release(time.Now().Add(2 * time.Hour))
	b := newInbox()
	f.subscribe(b, ask{bindings: everyRow, recognised: true}, Start{})
	f.run()
	f.waitLanes()
	f.Commit(logtest.Insert(rel, "2", "1", "x"), said("room", 2))
	if diff := cmp.Diff([]string{"row 2", "message 2"}, b.wait(t, 2)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestNothingIsPushedAfterCloseAndNothingIsLeft(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	from := f.Changes.Standing()
	for round := range 200 {
		for i := range 3 {
			b := newInbox()
			start := Start{}
			if i == 1 {
				start = Start{From: Proven, At: from}
			}
			s := f.fanout.Subscribe(f.request(b, ask{topic: fmt.Sprint("room-", i), bindings: everyRow}), start)
			f.Commit(logtest.Insert(rel, fmt.Sprint(round), "2", "x"), said("room-0", round))
			s.Close()
			b.mu.Lock()
			n := len(b.lines)
			b.mu.Unlock()
			s.Close()
			t.Cleanup(func() {
				if len(b.lines) != n {
					t.Errorf("%d lines came after Close: %s", len(b.lines)-n, strings.Join(b.lines[n:], ", "))
				}
			})
			if at := s.Standing(); at != (changelog.Standing{}) || s.Bindings() != nil {
				t.Errorf("a closed subscription stands at %v; want nothing", at)
			}
		}
	}
	f.waitLanes()
	for _, s := range f.fanout.shards {
		for _, l := range []*lane{s.direct, s.secured} {
			l.delivery.mu.Lock()
			a := &l.delivery.matcher.attached
			if a.index.Len() != 0 || len(a.byTopic) != 0 || a.members != 0 || len(a.tables) != 0 || len(a.roles) != 0 {
				t.Errorf("left behind: %d bindings, %v, %d members, %v, %v", a.index.Len(), a.byTopic, a.members, a.tables, a.roles)
			}
			l.delivery.mu.Unlock()
		}
	}
}

// A standing moves on although no row matches, and a frame that is pushed at a
// standing comes after all rows up to it.
func TestStandingsMoveOnAndNeverGoBack(t *testing.T) {
	f := newFixture(t, messagesTable, `create table other (id int); grant all on other to anon`)
	rel, other := f.Relation("messages"), f.Relation("other")
	b := newInbox()
	s := f.subscribe(b, ask{bindings: everyRow, version: protocol.SSE}, Start{})
	pushed := make(chan struct{})
	go func() {
		defer close(pushed)
		for i := range 1000 {
			f.Commit(logtest.Insert(rel, fmt.Sprint(i), "1", "x"))
		}
	}()
	for pulsing := true; pulsing; {
		select {
		case <-pushed:
			pulsing = false
		default:
			s.PushAlive()
		}
	}
	f.waitSent(s)
	b.mu.Lock()
	var last wal.Position
	for _, frame := range b.frames {
		_, position, err := contentOf(frame)
		if err != nil {
			t.Fatal(err)
		}
		at, err := wal.ParsePosition(position)
		if err != nil || at.Compare(last) < 0 {
			t.Fatalf("position %s after %s, %v; want none to go back", position, last, err)
		}
		last = at
	}
	b.mu.Unlock()
	f.Commit(logtest.Insert(other, "1"))
	f.Changes.Append(time.Now(), nil, f.LSN+0x50) // a keepalive
	f.waitSent(s)
	if got, want := s.Standing(), f.Changes.Standing(); got != want {
		t.Errorf("standing of a quiet subscription = %v; want %v", got, want)
	}
}
