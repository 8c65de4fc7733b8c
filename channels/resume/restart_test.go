package resume

import (
	"encoding/json"
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

// run is one run of a server with a state file.
type run struct {
	*Clients
	t     *testing.T
	notes *notes
}

func start(t *testing.T, path, reason string) *run {
	n := &notes{}
	c := NewClients(Config{StateFile: path, Limit: 10, Memory: time.Hour}, func() string { return reason }, nil, n)
	c.Restore(noon, slog.New(slog.DiscardHandler))
	return &run{c, t, n}
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
	known(t, r.Clients, of("a"), Known{Remembered, saved(2), 6})
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
	known(t, r.Clients, of("a"), Known{Remembered, saved(2), 6})
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
	known(t, r.Clients, of("a"), Known{Remembered, saved(2), 6})
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
	known(t, r.Clients, of("a"), Known{Remembered, saved(2), 6})
	known(t, r.Clients, of("b"), Known{Memory: Forgotten})
	known(t, r.Clients, of("c"), Known{})
	r.stop()
	if unclean := r.isMarked(); unclean {
		t.Error("the marker is left after a stop")
	}
}
