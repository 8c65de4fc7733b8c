package presence

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

// track is State.Track for payloads that are objects, and Flush.
func track(t testing.TB, s *State, id ChannelID, key, payload, ref string) Diff {
	t.Helper()
	if err := s.Track(id, key, json.RawMessage(payload), ref); err != nil {
		t.Fatalf("Track(%d, %q, %s): %v", id, key, payload, err)
	}
	return s.Flush()
}

func untrack(s *State, id ChannelID) Diff {
	s.Untrack(id)
	return s.Flush()
}

func wantDiff(t *testing.T, got Diff, want string) {
	t.Helper()
	if text := string(got.AppendTo(nil)); text != want {
		t.Errorf("diff is %s; want %s", text, want)
	}
	if empty := want == `{"joins":{},"leaves":{}}`; got.Empty() != empty {
		t.Errorf("diff %s: Empty() = %v; want %v", want, got.Empty(), empty)
	}
}

func wantState(t *testing.T, s *State, want string) {
	t.Helper()
	if got := string(s.AppendState(nil)); got != want {
		t.Errorf("state is %s; want %s", got, want)
	}
}

const noDiff = `{"joins":{},"leaves":{}}`

func TestStateTracksUpdatesAndUntracks(t *testing.T) {
	s := NewState()
	wantState(t, s, `{}`)
	wantDiff(t, track(t, s, 1, "ann", `{"n":1}`, "r1"), `{"joins":{"ann":{"metas":[{"phx_ref":"r1","n":1}]}},"leaves":{}}`)
	wantDiff(t, track(t, s, 1, "ann", `{"n": 1}`, "r2"), noDiff)
	wantDiff(t, track(t, s, 1, "ann", `{"n":2}`, "r2"),
		`{"joins":{"ann":{"metas":[{"phx_ref":"r2","phx_ref_prev":"r1","n":2}]}},"leaves":{"ann":{"metas":[{"phx_ref":"r1","n":1}]}}}`)
	wantState(t, s, `{"ann":{"metas":[{"phx_ref":"r2","phx_ref_prev":"r1","n":2}]}}`)
	wantDiff(t, untrack(s, 1), `{"joins":{},"leaves":{"ann":{"metas":[{"phx_ref":"r2","phx_ref_prev":"r1","n":2}]}}}`)
	wantDiff(t, untrack(s, 1), noDiff)
	wantDiff(t, track(t, s, 1, "ann", `{"n":2}`, "r3"), `{"joins":{"ann":{"metas":[{"phx_ref":"r3","n":2}]}},"leaves":{}}`)
	s.Untrack(1)
	if s.Empty() || s.Len() != 0 {
		t.Errorf("Empty() = %v, Len() = %d before the flush; want false, 0", s.Empty(), s.Len())
	}
	s.Flush()
	if !s.Empty() {
		t.Error("Empty() = false after the last untrack")
	}
	wantState(t, s, `{}`)
}

func TestStateKeepsMetasOfAKeyInOrderOfArrival(t *testing.T) {
	s := NewState()
	track(t, s, 1, "ann", `{"on":"phone"}`, "r1")
	track(t, s, 2, "bob", `{}`, "r2")
	track(t, s, 3, "ann", `{"on":"laptop"}`, "r3")
	wantState(t, s, `{"ann":{"metas":[{"phx_ref":"r1","on":"phone"},{"phx_ref":"r3","on":"laptop"}]},"bob":{"metas":[{"phx_ref":"r2"}]}}`)
	track(t, s, 1, "ann", `{"on":"tablet"}`, "r4")
	wantState(t, s, `{"ann":{"metas":[{"phx_ref":"r3","on":"laptop"},{"phx_ref":"r4","phx_ref_prev":"r1","on":"tablet"}]},"bob":{"metas":[{"phx_ref":"r2"}]}}`)
	untrack(s, 3)
	wantState(t, s, `{"ann":{"metas":[{"phx_ref":"r4","phx_ref_prev":"r1","on":"tablet"}]},"bob":{"metas":[{"phx_ref":"r2"}]}}`)
}

func TestStateQuotesKeys(t *testing.T) {
	s := NewState()
	track(t, s, 1, `a"b\c`, `{}`, "r1")
	track(t, s, 2, "", `{}`, "r2")
	track(t, s, 3, "ünï 😀", `{}`, "r3")
	track(t, s, 4, "bad \xff", `{}`, "r4")
	wantState(t, s, `{"a\"b\\c":{"metas":[{"phx_ref":"r1"}]},"":{"metas":[{"phx_ref":"r2"}]},"ünï 😀":{"metas":[{"phx_ref":"r3"}]},"bad `+"\ufffd"+`":{"metas":[{"phx_ref":"r4"}]}}`)
}

func TestStateIsTheSameAfterARefusedTrack(t *testing.T) {
	s := NewState()
	track(t, s, 1, "ann", `{"n":1}`, "r1")
	if err := s.Track(1, "ann", json.RawMessage(`[1]`), "r2"); !errors.Is(err, ErrPayload) {
		t.Errorf("Track([1]) = %v; want ErrPayload", err)
	}
	wantDiff(t, s.Flush(), noDiff)
	wantState(t, s, `{"ann":{"metas":[{"phx_ref":"r1","n":1}]}}`)
}

func TestStateIsAdoptedWithoutADiff(t *testing.T) {
	s := NewState()
	track(t, s, 1, "ann", `{"n":1}`, "r1")
	track(t, s, 3, "cyd", `{}`, "r3")
	for _, c := range []struct {
		name     string
		from, to ChannelID
		want     bool
	}{
		{"by a channel that tracks", 1, 3, false},
		{"by another one", 1, 2, true},
		{"twice", 1, 4, false},
	} {
		if got := s.Adopt(c.from, c.to); got != c.want {
			t.Errorf("Adopt %s = %v; want %v", c.name, got, c.want)
		}
	}
	wantDiff(t, untrack(s, 1), noDiff)
	wantDiff(t, track(t, s, 2, "ann", `{"n":1}`, "r2"), noDiff)
	wantDiff(t, untrack(s, 2), `{"joins":{},"leaves":{"ann":{"metas":[{"phx_ref":"r1","n":1}]}}}`)
}

// A client that gets the state gets the next diff too: no meta may be in both.
func TestStateIsThatOfTheLastFlush(t *testing.T) {
	s := NewState()
	track(t, s, 1, "ann", `{}`, "r1")
	track(t, s, 2, "ann", `{}`, "r2")
	for _, c := range []struct{ channel, key, ref string }{{"1", "ann", "r3"}, {"3", "bob", "r4"}} {
		id := ChannelID(c.channel[0] - '0')
		if err := s.Track(id, c.key, json.RawMessage(`{"new":1}`), c.ref); err != nil {
			t.Fatalf("Track: %v", err)
		}
	}
	s.Untrack(2)
	wantState(t, s, `{"ann":{"metas":[{"phx_ref":"r1"},{"phx_ref":"r2"}]}}`)
	wantDiff(t, s.Flush(), `{"joins":{"ann":{"metas":[{"phx_ref":"r3","phx_ref_prev":"r1","new":1}]},"bob":{"metas":[{"phx_ref":"r4","new":1}]}},`+
		`"leaves":{"ann":{"metas":[{"phx_ref":"r1"},{"phx_ref":"r2"}]}}}`)
	wantState(t, s, `{"ann":{"metas":[{"phx_ref":"r3","phx_ref_prev":"r1","new":1}]},"bob":{"metas":[{"phx_ref":"r4","new":1}]}}`)
}

func TestStateAccountsForItsBytes(t *testing.T) {
	s := NewState()
	before := s.Bytes()
	for i := range 100 {
		track(t, s, ChannelID(i), fmt.Sprintf("k%d", i%10), `{"name":"somebody"}`, fmt.Sprintf("r%d", i))
	}
	full := s.Bytes()
	if payload := len(s.AppendState(nil)); full < payload || full > 10*payload {
		t.Errorf("Bytes() = %d with a state of %d bytes; want between one and ten times that", full, payload)
	}
	for i := range 100 {
		track(t, s, ChannelID(i), fmt.Sprintf("k%d", i%10), `{"n":1}`, fmt.Sprintf("u%d", i))
	}
	for i := range 100 {
		s.Untrack(ChannelID(i))
	}
	s.Flush()
	if got := s.Bytes(); got != before {
		t.Errorf("Bytes() = %d when all have gone; want %d", got, before)
	}
}
