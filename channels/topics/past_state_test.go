package topics

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"walcast/protocol"
)

// say is a broadcast with a text.
func say(text string) protocol.Broadcast { return protocol.Broadcast{Relay: []byte(text)} }

// restore has one past read what another has saved.
func restore(t *testing.T, from, to *Past) {
	t.Helper()
	if err := from.Save(func(v any) error {
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return to.Restore(line)
	}); err != nil {
		t.Fatal(err)
	}
	to.Restored()
}

// TestAServerThatTakesOverGoesOnWithItsOwnBroadcasts: it was there before the other
// stopped, and clients have found it by then.
func TestAServerThatTakesOverGoesOnWithItsOwnBroadcasts(t *testing.T) {
	other := protocol.Topic{Name: "other"}
	for _, test := range []struct {
		name  string
		later time.Duration // that the second was started
		gap   bool
		want  []string
	}{
		{"started later", time.Second, false, []string{"first", "second"}},
		{"by a clock that was put back", -time.Hour, true, nil},
	} {
		began := time.Now()
		first, second := newPast(time.Hour, 10, began), newPast(time.Hour, 10, began.Add(test.later))
		_, joined, _ := first.since(room, 0)
		restore(t, first, second) // what the file has when the second starts
		first.since(other, 0)
		second.since(room, 0)
		first.note(room, Carried{Broadcast: say("first")}, began)
		second.note(room, Carried{Broadcast: say("second")}, began)
		second.note(other, Carried{Broadcast: say("not kept")}, began)
		second.Reset()
		restore(t, first, second)
		heard, _, gap := second.since(room, joined)
		var texts []string
		for _, b := range heard {
			texts = append(texts, string(b.Relay))
		}
		if gap != test.gap || !test.gap && !slices.Equal(texts, test.want) {
			t.Errorf("%s: a client has missed %q, gap %t; want %q, gap %t", test.name, texts, gap, test.want, test.gap)
		}
		if _, gap := missed(second, other, joined); !gap {
			t.Errorf("%s: nothing is known of a broadcast to a topic that was not kept", test.name)
		}
	}
}
