package livedrill

import (
	"cmp"
	"flag"
	"os"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

var (
	duration = flag.Duration("duration", 25*time.Second, "how long TestViewsAreWhatSelectSays makes a mess")
	seed     = flag.Uint64("seed", 1, "of everything that is random; 0 takes the time")
	pause    = flag.Duration("pause", 100*time.Millisecond, "between two transactions of a writer, on average")
	clients  = flag.Int("clients", 9, "how many clients there are")
)

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

func TestViewsAreWhatSelectSays(t *testing.T) {
	r := runDrill(t, Options{Duration: *duration, Clients: *clients})
	t.Logf("%s", r.Summary)
	for i, f := range r.Faults {
		if i == 20 {
			t.Errorf("and %d more", len(r.Faults)-i)
			break
		}
		t.Error(f)
	}
	if t.Failed() {
		t.Logf("%s", r.Details)
		t.Logf("again: make drill LIVE=1 DURATION=%s SEED=%d", *duration, r.Seed)
	}
}

// runDrill builds walcast and runs a drill, of the flag's seed if it has none.
func runDrill(t *testing.T, o Options) *Report {
	t.Helper()
	o.Binary, o.State, o.Pause = program.Build(t, raceFlag...), t.TempDir(), *pause
	if o.Seed == 0 {
		o.Seed = cmp.Or(*seed, uint64(time.Now().Unix()))
	}
	t.Logf("seed %d", o.Seed)
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Looks == 0 {
		t.Fatalf("no client has looked at anything:\n%s", r.Summary)
	}
	return r
}
