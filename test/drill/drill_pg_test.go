package drill

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/test/havoc"
	"walcast/test/program"
)

var (
	duration = flag.Duration("duration", 80*time.Second, "how long TestNothingIsLost makes a mess")
	seed     = flag.Uint64("seed", 1, "of everything that is random; 0 takes the time")
	pause    = flag.Duration("pause", 60*time.Millisecond, "between two transactions of a writer, on average")
	each     = flag.Int("each", 3, "clients of each kind")
	nodes    = flag.Int("nodes", 1, "of a cluster, between which clients go")
)

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

func TestNothingIsLost(t *testing.T) {
	r := runDrill(t, Options{Duration: *duration, Each: *each, Node: ".", Nodes: *nodes})
	wantNoFaults(t, r, *nodes)
}

// TestNothingIsLostBetweenNodes has clients go between nodes that are killed, frozen, and
// cut off from each other and from Postgres.
func TestNothingIsLostBetweenNodes(t *testing.T) {
	r := runDrill(t, Options{Duration: 30 * time.Second, Each: 1, Node: ".", Nodes: 3})
	wantNoFaults(t, r, 3)
}

func wantNoFaults(t *testing.T, r *Report, nodes int) {
	t.Helper()
	t.Logf("%s", r.Summary)
	for i, f := range r.Faults {
		if i == 20 {
			t.Errorf("and %d more", len(r.Faults)-i)
			break
		}
		t.Errorf("%s %s: %s", program.Clock(f.Time), f.Client, f.Text)
	}
	if t.Failed() {
		t.Logf("%s", r.Details)
		t.Logf("again: make drill DURATION=%s SEED=%d NODES=%d", r.Duration, r.Seed, nodes)
	}
}

func TestOneDroppedFrameIsFound(t *testing.T) {
	thief := &thief{}
	r := runDrill(t, Options{
		Duration: 3 * time.Second, Each: 1, Node: ".", Peace: true,
		sieve: func() havoc.Sieve { return havoc.Thief(thief.takes) },
	})
	if !thief.stolen.Load() {
		t.Fatalf("no frame was dropped:\n%s", r.Summary)
	}
	if len(r.Faults) != 1 || !strings.Contains(r.Faults[0].Text, "1 rows are missing") {
		t.Errorf("one frame was dropped; the drill finds %+v\n%s", r.Faults, r.Details)
	}
}

// runDrill builds walcast and what Node needs, and runs a drill.
func runDrill(t *testing.T, o Options) *Report {
	t.Helper()
	o.Binary = program.Build(t, raceFlag...)
	if o.Node != "" {
		command(t, "npm", "ci", "--no-audit", "--no-fund")
	}
	o.State, o.Pause = t.TempDir(), *pause
	if o.Seed = *seed; o.Seed == 0 {
		o.Seed = uint64(time.Now().Unix())
	}
	t.Logf("seed %d", o.Seed)
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if text, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, text)
	}
}
