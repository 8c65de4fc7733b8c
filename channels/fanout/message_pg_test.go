package fanout

import (
	"fmt"
	"slices"
	"testing"
	"time"
	"unique"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// A replay cannot have brought messages that the direct lane has not sent yet, so a
// live subscription gets them, although its rows begin after them.
func TestALiveSubscriptionGetsTheMessagesThatItsLaneHasNotSent(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.Changes.Begin(firstHistory, f.LSN, "")
	rel := f.Relation("messages")
	f.Commit(said("room", 1), logtest.Insert(rel, "2", "1", "x"))
	live, named := newInbox(), newInbox()
	f.subscribe(live, ask{bindings: everyRow}, Start{})
	f.subscribe(named, ask{bindings: everyRow, after: []wal.Position{wal.Before(0x1000)}}, Start{From: Named})
	f.run()
	f.waitLanes()
	f.Commit(said("room", 3), said("elsewhere", 4), logtest.Insert(rel, "5", "1", "x"))
	for _, c := range []struct {
		name string
		got  *inbox
		want []string
	}{
		{"live", live, []string{"message 1", "message 3", "row 5"}},
		{"named", named, []string{"message 1", "row 2", "message 3", "row 5"}},
	} {
		if diff := cmp.Diff(c.want, c.got.wait(t, len(c.want))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestMessagesFromNowOnAreForWhoNamesAPosition(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	at := f.Changes.Standing()
	f.Commit(said("room", 1), logtest.Insert(rel, "2", "1", "x"))
	f.waitLanes()
	named, proven := newInbox(), newInbox()
	f.subscribe(named, ask{bindings: everyRow, after: []wal.Position{at.Position}}, Start{From: Named})
	f.subscribe(proven, ask{bindings: everyRow}, Start{From: Proven, At: at})
	f.Commit(said("room", 3), logtest.Insert(rel, "4", "1", "x"))
	if diff := cmp.Diff([]string{"row 2", "message 3", "row 4"}, named.wait(t, 3)); diff != "" {
		t.Errorf("named (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"message 1", "row 2", "message 3", "row 4"}, proven.wait(t, 4)); diff != "" {
		t.Errorf("proven (-want +got):\n%s", diff)
	}
}

// After a restart the log is read again from a while ago, up to now.
func TestOldMessagesAreForThoseWhoWereHereBefore(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.run()
	rel := f.Relation("messages")
	atBegin := changelog.Standing{History: changelog.History{System: "1"}, Position: wal.Position{LSN: 0x1100}} // kept over the restart
	back, backWithRows, stranger, named := newInbox(), newInbox(), newInbox(), newInbox()
	f.subscribe(back, ask{recognised: true}, Start{From: Proven, At: atBegin})
	f.subscribe(backWithRows, ask{bindings: everyRow, recognised: true}, Start{From: Proven, At: atBegin})
	f.subscribe(stranger, ask{}, Start{})
	f.subscribe(named, ask{bindings: everyRow, after: []wal.Position{atBegin.Position}}, Start{From: Named})
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.Changes.Refill(0x1300)
	f.Commit(said("room", 1))                                     // read again
	f.Commit(said("room", 2), logtest.Insert(rel, "2", "1", "x")) // while it was down
	late := newInbox()
	f.subscribe(late, ask{}, Start{})
	f.Commit(said("room", 3), logtest.Insert(rel, "3", "1", "x")) // from now on
	for _, c := range []struct {
		name string
		got  *inbox
		want []string
	}{
		{"was here before", back, []string{"message 2", "message 3"}},
		{"was here before, with bindings", backWithRows, []string{"message 2", "row 2", "message 3", "row 3"}},
		{"was not", stranger, []string{"message 3"}},
		{"came while the log was read again", late, []string{"message 3"}},
		{"names a position", named, []string{"row 2", "message 3", "row 3"}},
	} {
		if diff := cmp.Diff(c.want, c.got.wait(t, len(c.want))); diff != "" {
			t.Errorf("to who %s (-want +got):\n%s", c.name, diff)
		}
	}
}

// The reader may begin anew before anything was sent, and again reads what was committed
// up to then; what was sent after a subscription had come is new to it all the same.
func TestMessagesAreNewToThoseWhoCameBeforeTheReaderBeganAnew(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	before, begun := newInbox(), newInbox()
	f.subscribe(before, ask{}, Start{})
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.Changes.Refill(f.LSN + 0x180)
	f.subscribe(begun, ask{}, Start{})
	f.Changes.Refill(f.LSN + 0x380)
	f.run()
	f.Commit(said("room", 1)) // from before the start
	f.Commit(said("room", 2))
	f.Commit(said("room", 3))
	f.Commit(said("room", 4))
	for name, got := range map[string]*inbox{"came before the log": before, "came before the lane": begun} {
		if diff := cmp.Diff([]string{"message 2", "message 3", "message 4"}, got.wait(t, 3)); diff != "" {
			t.Errorf("to who %s (-want +got):\n%s", name, diff)
		}
	}
}

// A message is counted once when it is sent, and reported once when it cannot be,
// however many lanes read it.
func TestEachMessageIsCountedAndReportedOnce(t *testing.T) {
	f := newIdleFixture(t, messagesTable, friendsTable)
	f.shards = 3
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	at := f.Changes.Standing()
	var want []string
	for i, topic := range []string{"a", "b", "c", "d", "e"} {
		f.Commit(said(topic, i), &wal.Change{Operation: wal.Message, Content: "nonsense"})
		want = append(want, "message "+string(rune('0'+i)))
	}
	b := newInbox()
	f.subscribe(b, ask{topic: "c", bindings: everyRow}, Start{From: Proven, At: at})
	b.wait(t, 1)
	f.waitLanes()
	f.spoken.mu.Lock()
	defer f.spoken.mu.Unlock()
	slices.Sort(f.spoken.sent)
	if diff := cmp.Diff(want, f.spoken.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if f.spoken.refused != len(want) {
		t.Errorf("%d refused; want %d", f.spoken.refused, len(want))
	}
}

// A client without bindings that was away for longer than the log goes back is told
// to resync only if it missed a message, or if that is not known.
func TestWhoHasMissedNoMessageIsNotTold(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	visit := func(topic string, start Start) (*inbox, changelog.Standing) {
		b := newInbox()
		s := f.fanout.Subscribe(f.request(b, ask{topic: topic, recognised: true}), start)
		f.Cleanup(s.Close)
		f.waitSent(s)
		return b, s.Standing()
	}
	_, quiet := visit("quiet", Start{})
	_, busy := visit("busy", Start{})
	unknown := f.Changes.Standing() // of a topic that no client was on
	f.Commit(logtest.Insert(rel, "1", "1", "x"), said("busy", 1))
	f.releaseAll()
	f.Commit(logtest.Insert(rel, "2", "1", "x"))
	f.waitLanes()
	returned := map[string]*inbox{}
	for topic, at := range map[string]changelog.Standing{"quiet": quiet, "busy": busy, "unknown": unknown} {
		returned[topic], _ = visit(topic, Start{From: Proven, At: at})
	}
	f.Commit(said("quiet", 3), said("busy", 4), said("unknown", 5))
	for topic, want := range map[string][]string{
		"quiet":   {"message 3"},
		"busy":    {"resync " + protocol.CodeBroadcastsMissed, "message 4"},
		"unknown": {"resync " + protocol.CodeBroadcastsMissed, "message 5"},
	} {
		if diff := cmp.Diff(want, returned[topic].wait(t, len(want))); diff != "" {
			t.Errorf("on topic %s (-want +got):\n%s", topic, diff)
		}
	}
	// It is not known what a lane has missed itself.
	_, quiet = visit("quiet", Start{})
	f.Changes.Begin(changelog.History{System: "1", Slot: "walcast@2"}, f.LSN+0x1000, changelog.CodeSlotLost)
	f.waitLanes()
	back, _ := visit("quiet", Start{From: Proven, At: quiet})
	if diff := cmp.Diff([]string{"resync " + protocol.CodeBroadcastsMissed}, back.wait(t, 1)); diff != "" {
		t.Errorf("in another history (-want +got):\n%s", diff)
	}
}

// A client without bindings that has missed nothing comes back without a catch-up:
// otherwise all clients that come back would read the log for nothing.
func TestWhoHasMissedNoMessageReadsNoLog(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	s := f.fanout.Subscribe(f.request(newInbox(), ask{recognised: true}), Start{})
	f.waitSent(s)
	at := s.Standing()
	s.Close()
	f.Commit(logtest.Insert(rel, "1", "1", "x"), said("elsewhere", 1))
	f.waitLanes()
	b := newInbox()
	s = f.subscribe(b, ask{recognised: true}, Start{From: Proven, At: at})
	if s.attachedTo.Load() != &f.fanout.shardOf("realtime:room").direct.delivery {
		t.Error("a client that has missed nothing catches up; want it live at once")
	}
	f.Commit(said("room", 2))
	f.Commit(said("room", 3))
	b.wait(t, 2)
	s.Close()
	again := newInbox()
	f.subscribe(again, ask{recognised: true}, Start{From: Proven, At: at})
	for _, b := range []*inbox{b, again} {
		if diff := cmp.Diff([]string{"message 2", "message 3"}, b.wait(t, 2)); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
	}
}

func TestNewestIsBounded(t *testing.T) {
	f := newIdleFixture(t)
	direct := f.fanout.shards[0].direct
	for i := range notedTopics + 10 {
		direct.notes.newest.watch(unique.Make(protocol.Topic{Name: fmt.Sprint(i)}), wal.Position{})
	}
	if n := len(direct.notes.newest); n != notedTopics {
		t.Errorf("%d topics are noted; want %d", n, notedTopics)
	}
}

// A row of realtime.messages is a message, and no row for a binding.
func TestRowsOfTheMessagesTableAreNoRows(t *testing.T) {
	f := newFixture(t, messagesTable, `create schema if not exists realtime; create table realtime.messages_1 (id int); grant all on realtime.messages_1 to anon`)
	rel := f.Relation("messages")
	table := &wal.Relation{OID: 1, Schema: "realtime", Table: "messages_1", Columns: rel.Columns}
	b := newInbox()
	f.subscribe(b, ask{bindings: `{"event":"*","schema":"*","table":"*"}`}, Start{})
	stored := logtest.Insert(table, "1", "1", "x")
	stored.Content = "room 1" // as the test's messages are read
	f.Commit(stored, &wal.Change{Operation: wal.Delete, Relation: table, Old: logtest.Row("1", "1", "x")}, logtest.Insert(rel, "2", "1", "x"))
	if diff := cmp.Diff([]string{"message 1", "row 2"}, b.wait(t, 2)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// A position that the log has not reached yet does not tell what was missed, and
// must not hold back what comes.
func TestAStandingBeyondTheLogIsNotTakenForCaughtUp(t *testing.T) {
	f := newIdleFixture(t)
	f.config.ResumeWait = time.Millisecond
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	f.subscribe(newInbox(), ask{recognised: true}, Start{}) // has the topic's messages noted
	f.Commit(said("elsewhere", 1))
	f.waitLanes()
	b := newInbox()
	ahead := changelog.Standing{History: changelog.History{System: "1"}, Position: wal.Position{LSN: f.LSN + 0x1000}}
	f.subscribe(b, ask{recognised: true}, Start{From: Proven, At: ahead})
	b.wait(t, 1)
	f.Commit(said("room", 2))
	if diff := cmp.Diff([]string{"resync " + protocol.CodeBroadcastsMissed, "message 2"}, b.wait(t, 2)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// What commits while the reader has lost its connection counts as old when the
// reader is back; subscriptions that were there all the time have not had it.
func TestMessagesOfAnOutageOfTheReaderReachThoseWhoWereHere(t *testing.T) {
	f := newFixture(t, messagesTable)
	here, late := newInbox(), newInbox()
	f.Commit(said("room", 1))
	f.waitLanes()
	f.subscribe(here, ask{}, Start{})
	f.Changes.Refill(f.LSN + 0x300) // the reader is back and says what it reads first
	f.Commit(said("room", 2))
	f.waitLanes()
	f.subscribe(late, ask{}, Start{})
	f.Commit(said("room", 3))
	f.Commit(said("room", 4))
	f.Commit(said("room", 5))
	if diff := cmp.Diff([]string{"message 2", "message 3", "message 4", "message 5"}, here.wait(t, 4)); diff != "" {
		t.Errorf("to who was here (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"message 4", "message 5"}, late.wait(t, 2)); diff != "" {
		t.Errorf("to who came later (-want +got):\n%s", diff)
	}
}
