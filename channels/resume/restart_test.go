package resume

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// notes is a Section.
type notes struct {
	lines    []string
	restored bool
}

func (n *notes) Name() string { return "Note" }

func (n *notes) Save(write func(v any) error) error {
	for _, line := range n.lines {
		if err := write(line); err != nil {
			return err
		}
	}
	return nil
}

func (n *notes) Restore(line json.RawMessage) error {
	var text string
	err := json.Unmarshal(line, &text)
	n.lines = append(n.lines, text)
	return err
}

func (n *notes) Restored() { n.restored = true }
func (n *notes) Clear()    { n.lines = nil }
func (n *notes) Reset()    { n.lines, n.restored = nil, false }

// run is one run of a server with a state file.
type run struct {
	*Clients
	t     *testing.T
	notes *notes
}

func start(t *testing.T, path, reason string) *run {
	r := launch(t, path, reason)
	r.open(false)
	return r
}

// launch starts a run that does not have the slot yet.
func launch(t *testing.T, path, reason string) *run {
	n := &notes{}
	c := NewClients(Config{StateFile: path, Limit: 10, Memory: time.Hour}, func() string { return reason }, nil, n)
	c.Restore(noon, slog.New(slog.DiscardHandler))
	return &run{c, t, n}
}

// open is when the run has the slot.
func (r *run) open(outdated bool) {
	r.t.Helper()
	if got := r.Open(noon, false, slog.New(slog.DiscardHandler)); got != outdated {
		r.t.Errorf("Open = %t; want %t", got, outdated)
	}
}

// succeed is when the run has the slot, after it has stood by for another.
func (r *run) succeed(now time.Time) {
	r.t.Helper()
	if r.Open(now, true, slog.New(slog.DiscardHandler)) {
		r.t.Error("Open = true; want false, as there were no clients")
	}
}

func (r *run) stop() { r.Save(noon, slog.New(slog.DiscardHandler)) }

// visit is a client that comes and goes.
func (r *run) visit(client string, want Known) {
	r.t.Helper()
	b := known(r.t, r.Clients, of(client), want)
	b.Start(at(1))
	b.Listen(5)
	b.prove(0, at(2), 6)
	b.Leave(noon)
}

// saved is a standing after a restart: the names of slots begin anew then.
func saved(lsn wal.LSN) changelog.Standing {
	return changelog.Standing{History: changelog.History{System: "1"}, Position: wal.Position{LSN: lsn}}
}

func TestAStopKeepsWhatIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "walcast.clients")
	r := start(t, path, changelog.CodeSlotMissing)
	r.visit("a", Known{})
	stays := known(t, r.Clients, of("stays"), Known{})
	stays.Start(at(3))
	r.notes.lines = []string{"one", "two"}
	r.stop()
	for range 2 { // no client is back in the first of them
		r = start(t, path, "")
		if want := []string{"one", "two"}; !slices.Equal(r.notes.lines, want) || !r.notes.restored {
			t.Errorf("section has %q, restored %t; want %q", r.notes.lines, r.notes.restored, want)
		}
		r.stop()
	}
	r = start(t, path, "")
	known(t, r.Clients, of("a"), Known{Memory: Remembered, Proven: saved(2), Heard: 6})
	known(t, r.Clients, of("stays"), Known{Memory: Remembered, Proven: saved(3)})
	known(t, r.Clients, of("new"), Known{})
}

func TestAnEndWithoutAStopIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "walcast.clients")
	r := start(t, path, changelog.CodeSlotMissing)
	r.visit("a", Known{})
	r.notes.lines = []string{"one"}
	r.stop()
	start(t, path, "") // is killed
	r = start(t, path, "")
	if len(r.notes.lines) > 0 {
		t.Errorf("section has %q; want nothing that may be incomplete", r.notes.lines)
	}
	known(t, r.Clients, of("a"), Known{Memory: Remembered, Proven: saved(2), Heard: 6})
	known(t, r.Clients, of("b"), Known{Memory: Forgotten})
	r.stop()
	r = start(t, path, "")
	known(t, r.Clients, of("c"), Known{Memory: Forgotten})
}

func TestAFirstRunKnowsOfNoClientsIfItsSlotIsNew(t *testing.T) {
	for _, test := range []struct {
		name, path, reason string
		want               Memory
	}{
		{"new slot", filepath.Join(t.TempDir(), "clients"), changelog.CodeSlotMissing, Fresh},
		{"slot of an earlier run", filepath.Join(t.TempDir(), "clients"), "", Forgotten},
		{"new slot, no state file", "", changelog.CodeSlotMissing, Fresh},
		{"slot of an earlier run, no state file", "", "", Forgotten},
	} {
		r := start(t, test.path, test.reason)
		known(t, r.Clients, of(test.name), Known{Memory: test.want})
		r.stop()
	}
}

func TestADamagedFileIsReadAsFarAsItGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	r := start(t, path, changelog.CodeSlotMissing)
	r.visit("a", Known{})
	r.stop()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"Bookmark":{"Client":"b","Bindings":"x"}}`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r = start(t, path, "")
	known(t, r.Clients, of("a"), Known{Memory: Remembered, Proven: saved(2), Heard: 6})
	known(t, r.Clients, of("b"), Known{Memory: Forgotten})
}

// A file as the first version wrote it.
func TestTheStateOfTheFirstVersionIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	const old = `{"Format":1,"Blind":"0001-01-01T00:00:00Z"}
{"Bookmark":{"Client":"a","Topic":"realtime:room","Private":false,"Role":"","Sub":"","Bindings":"00000000000000000000000000000000","System":"1","Position":"0/2:0","Listened":6,"Left":"2026-01-02T12:00:00Z"}}
{"Bookmark":{"Client":"b","Topic":"realtime:room","Private":false,"Role":"","Sub":"","Bindings":"00000000000000000000000000000000","Owed":true,"Left":"2026-01-02T12:00:00Z"}}
{"Past":{"Topic":"realtime:room","Private":false,"Last":6,"Lost":5,"Kept":null}}
`
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, path, "")
	known(t, r.Clients, of("a"), Known{Memory: Remembered, Proven: saved(2), Heard: 6})
	known(t, r.Clients, of("b"), Known{Memory: Forgotten})
	known(t, r.Clients, of("c"), Known{})
	r.stop()
	if marker := r.files.look().marker; marker != "" {
		t.Errorf("the marker is left after a stop: %s", marker)
	}
}

func TestARunThatTakesOverKnowsWhatTheOneBeforeSavedLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	first := start(t, path, changelog.CodeSlotMissing)
	second := launch(t, path, "")
	first.visit("a", Known{})
	first.notes.lines = []string{"one"}
	early, _ := second.Take(of("a"), Fingerprint{}, Found{}, noon) // what it has is not known yet
	early.Start(at(9))
	first.stop()
	second.open(true)
	early.prove(0, at(9), 9) // its session ends, and proves nothing any more
	early.Leave(noon)
	if want := []string{"one"}; !slices.Equal(second.notes.lines, want) || !second.notes.restored {
		t.Errorf("section has %q, restored %t; want %q", second.notes.lines, second.notes.restored, want)
	}
	known(t, second.Clients, of("a"), Known{Memory: Remembered, Proven: saved(2), Heard: 6})
	known(t, second.Clients, of("new"), Known{})
	second.open(false)
	second.stop()
	known(t, start(t, path, "").Clients, of("new"), Known{})
}

func TestAStartThatFailsLeavesTheStateAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	r := start(t, path, changelog.CodeSlotMissing)
	r.visit("a", Known{})
	r.stop()
	launch(t, path, "")        // is killed
	launch(t, path, "").stop() // gives up
	r = start(t, path, "")
	known(t, r.Clients, of("a"), Known{Memory: Remembered, Proven: saved(2), Heard: 6})
	known(t, r.Clients, of("new"), Known{})
}

func TestClientsOfARunThatNeverHeldTheSlotAreNotForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	r := start(t, path, changelog.CodeSlotMissing)
	r.stop()
	for _, kill := range []bool{false, true} {
		r = launch(t, path, "") // as while Postgres is away
		name := fmt.Sprintf("killed %t", kill)
		b := known(t, r.Clients, of("early, "+name), Known{})
		b.Start(changelog.Standing{})
		if !kill {
			r.stop()
		}
		r = start(t, path, "")
		known(t, r.Clients, of("early, "+name), Known{Memory: Forgotten})
		known(t, r.Clients, of("new, "+name), Known{Memory: map[bool]Memory{false: Fresh, true: Forgotten}[kill]})
		r.stop()
	}
}

func TestTwoRunsWithOneStateDoNotTakeEachOthersClientsForNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	for _, firstStops := range []bool{true, false} {
		first := start(t, path, "")
		first.visit("of the first", Known{Memory: Forgotten})
		second := start(t, path, "") // of another cluster, by the same name
		second.visit("of the second", Known{Memory: Forgotten})
		runs := []*run{first, second}
		if !firstStops {
			slices.Reverse(runs)
		}
		for _, r := range runs {
			r.stop()
		}
		for _, client := range []string{"of the first", "of the second"} {
			if _, is := start(t, path, "").Take(of(client), Fingerprint{}, Found{}, noon); is.Memory == Fresh {
				t.Errorf("first stops first: %t: the client %s is taken for new", firstStops, client)
			}
		}
		if err := os.Remove(path + ".running"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestARunThatStoodByKnowsWhatTheOneBeforeSaved where both keep their state in one place.
func TestARunThatStoodByKnowsWhatTheOneBeforeSaved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clients")
	first := start(t, path, changelog.CodeSlotMissing)
	second := launch(t, path, "")
	first.visit("a", Known{})
	first.notes.lines = []string{"one"}
	first.stop()
	second.succeed(noon)
	if want := []string{"one"}; !slices.Equal(second.notes.lines, want) || !second.notes.restored {
		t.Errorf("section has %q, restored %t; want %q", second.notes.lines, second.notes.restored, want)
	}
	known(t, second.Clients, of("a"), Known{Memory: Remembered, Proven: saved(2), Heard: 6})
	known(t, second.Clients, of("new"), Known{})
}

// TestARunThatStoodByTakesNobodyForNewIfTheOneBeforeLeftNothing however long it stood by.
func TestARunThatStoodByTakesNobodyForNewIfTheOneBeforeLeftNothing(t *testing.T) {
	for _, test := range []struct{ name, first, second string }{
		{"it was killed", "shared", "shared"},
		{"it keeps its state elsewhere", "first", "second"},
		{"there is no state file", "", ""},
	} {
		folder := t.TempDir()
		place := func(name string) string {
			if name == "" {
				return ""
			}
			return filepath.Join(folder, name)
		}
		before := start(t, place(test.second), changelog.CodeSlotMissing)
		before.notes.lines = []string{"one"}
		before.stop()
		first := start(t, place(test.first), "")
		second := launch(t, place(test.second), changelog.CodeSlotMissing)
		known(t, first.Clients, of("a"), Known{Memory: map[bool]Memory{true: Fresh, false: Forgotten}[test.first == "shared"]})
		if test.first != "shared" {
			first.stop()
		}
		later := noon.Add(48 * time.Hour)
		second.succeed(later)
		if len(second.notes.lines) > 0 {
			t.Errorf("%s: section has %q; want nothing that may be incomplete", test.name, second.notes.lines)
		}
		if _, is := second.Take(of("a"), Fingerprint{}, Found{}, later); is.Memory != Forgotten {
			t.Errorf("%s: the client is %v; want it to be told to resync", test.name, is.Memory)
		}
		second.stop()
	}
}
