package moving

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/channels/resume"
	"walcast/internal/nodes"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// told is what is said of a client.
func told(client string, lsn wal.LSN) *resume.Told {
	history := changelog.History{System: "7", Timeline: 3, Slot: "walcast@0/1"}
	return &resume.Told{
		ID: idOf(client), Bindings: resume.Fingerprint{1}, Own: true, Quiet: true, Topic: 1 << 50, Age: 1500 * time.Millisecond,
		Proven: changelog.Standing{History: history, Position: wal.Position{LSN: lsn, Seq: 4}},
	}
}

func idOf(client string) resume.ID { return keyOf(client).ID() }

func keyOf(client string) resume.Key { return resume.Key{Client: client, Topic: "realtime:room"} }

// samples are messages of every kind.
func samples() []message {
	return []message{
		{kind: kindQuestion, run: "r", number: 7, ids: []resume.ID{idOf("a"), idOf("b")}},
		{kind: kindAnswer, run: "r", number: 7, more: true, doubt: doubt{all: time.Hour, lost: time.Minute}, told: []*resume.Told{told("a", 1<<40), {ID: idOf("b"), Resync: true}}},
		{kind: kindAnswer, run: "r", number: 7, ids: []resume.ID{idOf("a")}},
		{kind: kindAnswer, run: "r", number: 7, more: true, ids: []resume.ID{idOf("a")}, missed: [][]byte{[]byte("one"), []byte("another")}},
		{kind: kindTelling, run: "r", number: 9, bye: true, told: []*resume.Told{{ID: idOf("c"), Gone: true}}},
		{kind: kindAskAll, run: "r"},
		{kind: kindHeard, run: "r"},
		{kind: kindTellAll, run: "r", number: 9, part: 3, more: true, told: []*resume.Told{told("a", 5)}},
	}
}

func TestMessagesAreReadAsTheyWereWritten(t *testing.T) {
	for _, want := range samples() {
		encoded := want.encode()
		got, err := decode(encoded)
		if err != nil {
			t.Fatalf("decode(%q): %v", encoded, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(message{}, doubt{})); diff != "" {
			t.Errorf("kind %q (-written +read):\n%s", want.kind, diff)
		}
		for length := range encoded {
			if cut, err := decode(encoded[:length]); err == nil && len(cut.told)+len(cut.ids) >= len(want.told)+len(want.ids) && len(want.told)+len(want.ids) > 0 {
				t.Errorf("kind %q: %d of %d bytes are read as %+v", want.kind, length, len(encoded), cut)
			}
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	var newer nodes.NewerError
	if _, err := decode([]byte{format + 1, kindTelling}); !errors.As(err, &newer) || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("a newer format: %v; want that this node has to be upgraded", err)
	}
	nobody, unknown := samples()[0], samples()[0]
	nobody.run, unknown.kind = "", 'z'
	for name, encoded := range map[string][]byte{"nothing": nil, "no process": nobody.encode(), "an unknown kind": unknown.encode()} {
		if m, err := decode(encoded); err == nil || errors.As(err, &newer) {
			t.Errorf("%s is read as %+v, %v; want an error", name, m, err)
		}
	}
}

// FuzzDecode has what is read be written as it was.
func FuzzDecode(f *testing.F) {
	for _, m := range samples() {
		f.Add(m.encode())
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		m, err := decode(encoded)
		if err != nil {
			return
		}
		again, err := decode(m.encode())
		if err != nil || !bytes.Equal(again.encode(), m.encode()) {
			t.Errorf("decode(%q) = %+v, and then %+v, %v", encoded, m, again, err)
		}
	})
}
