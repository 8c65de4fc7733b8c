package channels

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/channels/topics"
	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// diary is an Outbox of vsn 1.0.0 that writes down what came: "row 1" for a row
// with id 1, "message 2" for a broadcast whose payload has n 2.
type diary struct {
	mu    sync.Mutex
	came  *sync.Cond
	lines []string
	codes []string // of resyncs
}

func (d *diary) Close(int, string) {}

func (d *diary) Push(f *protocol.Frame) {
	var m struct {
		Event   string
		Payload struct {
			Data struct {
				Record struct{ ID any }
			}
			Payload struct{ N any }
			Code    string
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := json.Unmarshal(f.Payload(), &m); err != nil {
		d.lines = append(d.lines, err.Error())
	}
	switch {
	case m.Event == protocol.EventPostgresChanges:
		d.lines = append(d.lines, fmt.Sprint("row ", m.Payload.Data.Record.ID))
	case m.Event == protocol.EventBroadcast:
		d.lines = append(d.lines, fmt.Sprint("message ", m.Payload.Payload.N))
	case m.Payload.Code != "":
		d.codes = append(d.codes, m.Payload.Code)
	}
	d.came.Broadcast()
}

// wait returns what came once there are n lines.
func (d *diary) wait(t *testing.T, n int) []string {
	t.Helper()
	return d.until(t, func() bool { return len(d.lines) >= n })
}

// until returns what came once it is enough.
func (d *diary) until(t *testing.T, enough func() bool) []string {
	t.Helper()
	timer := time.AfterFunc(patient, d.came.Broadcast)
	defer timer.Stop()
	start := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for !enough() {
		if time.Since(start) >= patient {
			t.Fatalf("waited %s, have %d lines: %q, resyncs %q", patient, len(d.lines), d.lines, d.codes)
		}
		d.came.Wait()
	}
	return slices.Clone(d.lines)
}

// writer opens a session with a diary and joins a topic.
func (f *fixture) writer(clientID, role, sub, topic, config string) (*Session, *diary) {
	f.Helper()
	d := &diary{}
	d.came = sync.NewCond(&d.mu)
	s := f.hub.Open(d, Identity{Version: protocol.V1, Token: token(f.T, role, sub, time.Hour), ClientID: clientID})
	f.Cleanup(s.Close)
	s.Handle(f.Context(), protocol.Message{
		JoinRef: `"1"`, Ref: `"1"`, Topic: topic, Event: protocol.EventJoin, Payload: []byte(`{"config":` + config + `}`),
	})
	return s, d
}

// said is a logical message.
func said(content string) *wal.Change {
	return &wal.Change{Operation: wal.Message, Prefix: topics.MessagePrefix, Content: content}
}

// numbered is a public message to a topic.
func numbered(topic string, n int) *wal.Change {
	return said(fmt.Sprintf(`{"topic":%q,"event":"e","payload":{"n":%d},"private":false}`, topic, n))
}

func TestMessagesAndRowsComeInCommitOrder(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable, ownTable)
	ann := "00000000-0000-4000-8000-00000000000a"
	f.db.Exec("insert into friends values ('" + ann + "', '" + ann + "')")
	messages, own := f.Relation("messages"), f.Relation("own")
	_, certain := f.writer("", "anon", "", "realtime:room", bindings(everyRow))
	_, judged := f.writer("", "authenticated", ann, "realtime:room",
		bindings(everyRow+`,{"event":"*","schema":"public","table":"own"}`))
	_, talker := f.writer("", "anon", "", "realtime:room", `{}`)
	const n = 400
	var all, rows, talk []string
	for i := range n {
		f.Commit(numbered("room", 3*i), logtest.Insert(messages, fmt.Sprint(3*i+1), "1", "x"))
		f.Commit(logtest.Insert(own, fmt.Sprint(3*i+2), ann))
		all = append(all, fmt.Sprint("message ", 3*i), fmt.Sprint("row ", 3*i+1), fmt.Sprint("row ", 3*i+2))
		rows = append(rows, fmt.Sprint("message ", 3*i), fmt.Sprint("row ", 3*i+1))
		talk = append(talk, fmt.Sprint("message ", 3*i))
	}
	for _, c := range []struct {
		name string
		got  *diary
		want []string
	}{{"rows that are certain", certain, rows}, {"rows that Postgres judges", judged, all}, {"no rows", talker, talk}} {
		if diff := cmp.Diff(c.want, c.got.wait(t, len(c.want))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// A client that comes back gets the messages that it missed in their place among
// the rows, and what is committed from then on after them, each once.
func TestMessagesAndRowsOfACatchUpComeInCommitOrder(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	s, before := f.writer("tab", "anon", "", "realtime:room", bindings(everyRow))
	f.Commit(logtest.Insert(rel, "0", "1", "x"))
	before.wait(t, 1)
	f.waitSent(&client{f: f, session: s})
	s.Proven(s.Mark())
	s.Close()
	const n = 2000
	want := []string{"message 0"}
	f.Commit(numbered("room", 0))
	for i := 1; i < n; i++ {
		f.Commit(logtest.Insert(rel, fmt.Sprint(i), "1", "x"))
		want = append(want, fmt.Sprint("row ", i))
	}
	f.waitDelivered()
	_, after := f.writer("tab", "anon", "", "realtime:room", bindings(everyRow))
	after.wait(t, 2)
	for i := n; i < n+50; i++ {
		f.Commit(numbered("room", i), logtest.Insert(rel, fmt.Sprint(i), "1", "x"))
		want = append(want, fmt.Sprint("message ", i), fmt.Sprint("row ", i))
	}
	if diff := cmp.Diff(want, after.wait(t, len(want))); diff != "" {
		t.Errorf("after the return (-want +got):\n%s", diff)
	}
}

func TestMessagesOfADowntimeAreForThoseWhoWereHereBefore(t *testing.T) {
	config := DefaultConfig()
	config.StateFile = t.TempDir() + "/walcast.clients"
	f := newFixture(t, config)
	f.hub.Restore()
	s, before := f.writer("tab", "anon", "", "realtime:room", `{}`)
	f.Commit(numbered("room", 1))
	before.wait(t, 1)
	s.Proven(s.Mark())
	s.Close()
	// A restart: the log is read again from a while ago, up to now.
	hub := f.hub
	f.Changes.Begin(changelog.History{System: "1", Timeline: 1, Slot: "walcast"}, f.LSN+0x10, changelog.CodeSlotAdvanced)
	f.Changes = changelog.New(changelog.Config{Bytes: 64 << 20, Window: time.Hour})
	first := f.LSN - 0x100
	f.Changes.Begin(changelog.History{System: "1", Timeline: 1, Slot: "walcast"}, first, "")
	f.LSN = first
	f.rerun(config, func() { hub.clients.Save(time.Now(), hub.logger) })
	_, back := f.writer("tab", "anon", "", "realtime:room", `{}`)
	_, stranger := f.writer("", "anon", "", "realtime:room", `{}`)
	f.Changes.Refill(first + 0x300)
	f.Commit(numbered("room", 1)) // read again
	f.Commit(numbered("room", 2)) // while it was down
	f.Commit(numbered("room", 3)) // from now on
	if diff := cmp.Diff([]string{"message 2", "message 3"}, back.wait(t, 2)); diff != "" {
		t.Errorf("to who was here before (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"message 3"}, stranger.wait(t, 1)); diff != "" {
		t.Errorf("to who was not (-want +got):\n%s", diff)
	}
	later, late := f.writer("tab 2", "anon", "", "realtime:room", `{}`)
	later.Close()
	_, again := f.writer("tab 2", "anon", "", "realtime:room", `{}`)
	f.Commit(numbered("room", 4))
	if diff := cmp.Diff([]string{"message 4"}, again.wait(t, 1)); diff != "" || len(late.lines) > 0 {
		t.Errorf("to who came after it and came back (-want +got):\n%s; before %q", diff, late.lines)
	}
}

// A client that misses both broadcasts and rows is told to resync once.
func TestWhoMissesBroadcastsAndRowsIsToldOnce(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	s, _ := f.writer("tab", "anon", "", "realtime:room", bindings(everyRow))
	s.Proven(s.Mark())
	s.Close()
	for range 1001 { // more than are kept of a topic
		f.hub.topics.Publish(protocol.Topic{Name: "realtime:room"}, protocol.Broadcast{Relay: []byte(`{"event":"n"}`)})
	}
	f.Commit(logtest.Insert(rel, "1", "1", "lost"))
	f.releaseAll()
	_, back := f.writer("tab", "anon", "", "realtime:room", bindings(everyRow))
	back.until(t, func() bool { return len(back.codes) > 0 })
	f.Commit(logtest.Insert(rel, "2", "1", "kept"))
	back.until(t, func() bool { return slices.Contains(back.lines, "row 2") })
	if diff := cmp.Diff([]string{changelog.CodeTooOld}, back.codes); diff != "" {
		t.Errorf("resyncs (-want +got):\n%s", diff)
	}
}
