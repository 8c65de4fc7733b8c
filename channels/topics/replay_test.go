package topics

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/protocol"
	"walcast/replication/wal"
)

// fakeArchive is an Archive in memory.
type fakeArchive struct {
	stored    []Stored
	err       error
	committed []string // as it was asked last
}

func (a *fakeArchive) Store(context.Context, string, Stored, time.Duration) (string, error) {
	return "", nil
}

func (a *fakeArchive) Newest(_ context.Context, _ string, _ time.Time, limit int, committed []string) ([]Stored, error) {
	a.committed = committed
	return a.stored[max(0, len(a.stored)-limit):], a.err
}

var private = protocol.Topic{Name: "realtime:room", Private: true}

func message(t *testing.T, f *fixture, id string) *Message {
	t.Helper()
	key, m := f.Message(row("room", "e", "t", id, `"message `+id+`."`, "NULL"), true)
	if m == nil || key != private {
		t.Fatalf("Message = %v, %v; want one for %v", key, m, private)
	}
	m.Sent()
	return m
}

func stored(id string) Stored {
	return Stored{ID: id, Event: "e", Encoding: protocol.EncodingJSON, Payload: []byte(`"stored ` + id + `."`)}
}

func TestAReplayComesFirstAndEachMessageOnce(t *testing.T) {
	archive := &fakeArchive{stored: []Stored{stored("a"), stored("b"), stored("c")}}
	f := newFixture(t, Config{Archive: archive})
	early := message(t, f, "a") // just before somebody joins
	m, got := f.join(private, MemberConfig{Client: "x", Returning: &Returning{}, Replays: true})
	b, d := message(t, f, "b"), message(t, f, "d")
	b.Deliver(m)
	f.Publish(private, text(1))
	replay, err := f.Fetch(t.Context(), private, protocol.Replay{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "d"}; !slices.Equal(archive.committed, want) {
		t.Errorf("the archive is asked to have %q; want %q", archive.committed, want)
	}
	d.Deliver(m)
	if got.want(t, "a member whose replay is owed"); m.Heard() != 0 {
		t.Errorf("Heard() = %d while a replay is owed; want 0", m.Heard())
	}
	if err := m.Replay(replay); err != nil {
		t.Fatal(err)
	}
	message(t, f, "c").Deliver(m) // as it is read from the log, twice
	message(t, f, "c").Deliver(m)
	early.Deliver(m)
	got.want(t, "the member", "stored b.", "stored c.", "broadcast 1.", "message d.", "message c.", "message a.")
	if text := string(got.frames[0].Payload()); !strings.Contains(text, `"meta":{"id":"b","replayed":true}`) {
		t.Errorf("replayed message %s does not say so", text)
	}
	if m.Heard() == 0 {
		t.Error("Heard() = 0 after the replay")
	}
}

// A message that its sender has stored comes live, by the replay of a member that
// joins meanwhile, and not again when it is in the log.
func TestWhatWasStoredForItsSenderComesOnce(t *testing.T) {
	f := newFixture(t, Config{})
	sender, _ := f.join(private, MemberConfig{})
	_, here := f.join(private, MemberConfig{})
	joining, got := f.join(private, MemberConfig{Replays: true})
	sender.BroadcastStored(stored("a"))
	f.PublishStored(private, stored("b"))
	if err := joining.Replay([]Stored{stored("a")}); err != nil {
		t.Fatal(err)
	}
	here.want(t, "who was there", "stored a.", "stored b.")
	got.want(t, "who joined meanwhile", "stored a.", "stored b.")
	inLog := row("room", "e", "t", "a", `{}`, "NULL")
	inLog.Relation.Columns = append(inLog.Relation.Columns, wal.Column{Name: "skip_broadcast"})
	for kept, want := range map[string]bool{"t": false, "f": true} {
		inLog.New = append(inLog.New[:6:6], wal.Value{Kind: wal.Text, Text: kept})
		if _, m := f.Message(inLog, true); (m != nil) != want {
			t.Errorf("a row with skip_broadcast %s is sent: %t; want %t", kept, m != nil, want)
		}
	}
}

// TestAReplayLeavesOutWhatEndsSockets: a row that SQL has put there was delivered to
// nobody when it was new, either.
func TestAReplayLeavesOutWhatEndsSockets(t *testing.T) {
	huge, bytes := stored("b"), stored("c")
	huge.Payload = []byte(`{"n":1` + strings.Repeat("0", 400) + `}`)
	bytes.Encoding, bytes.Payload = protocol.EncodingBinary, huge.Payload
	f := newFixture(t, Config{Archive: &fakeArchive{stored: []Stored{stored("a"), huge, bytes}}})
	replay, err := f.Fetch(t.Context(), private, protocol.Replay{Limit: 3})
	if err != nil || len(replay) != 2 || replay[0].ID != "a" || replay[1].ID != "c" {
		t.Errorf("Fetch = %v, %v; want the messages a and c", replay, err)
	}
	if !strings.Contains(f.log.String(), "stored message not replayed") {
		t.Errorf("the log says nothing of it: %q", f.log)
	}
}

func TestAReplayThatFailsIsRefused(t *testing.T) {
	for _, test := range []struct {
		name    string
		archive Archive
	}{{"no archive", nil}, {"archive away", &fakeArchive{err: errors.New("no connection")}}} {
		f := newFixture(t, Config{Archive: test.archive})
		if _, err := f.Fetch(t.Context(), private, protocol.Replay{Limit: 1}); !errors.Is(err, protocol.RefuseReplayFailed) {
			t.Errorf("%s: error %v; want %q", test.name, err, protocol.RefuseReplayFailed)
		}
		if strings.Contains(f.log.String(), "no connection") != (test.archive != nil) {
			t.Errorf("%s: log %q", test.name, f.log)
		}
	}
}

func TestWhatWaitsForAReplayIsBounded(t *testing.T) {
	f := newFixture(t, Config{})
	m, got := f.join(private, MemberConfig{Replays: true})
	large := protocol.Broadcast{Relay: []byte(`{"x":"` + strings.Repeat("x", owedBytes/2) + `"}`)}
	for range 3 {
		f.Publish(private, large)
	}
	if err := m.Replay([]Stored{stored("a")}); !errors.Is(err, protocol.RefuseReplayFailed) {
		t.Errorf("Replay = %v; want %q", err, protocol.RefuseReplayFailed)
	}
	got.want(t, "the member that is refused")
	if m.owed.frames != nil {
		t.Error("what waited is still kept")
	}
}
