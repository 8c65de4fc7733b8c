package access

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"walcast/internal/devdb"
)

var (
	duration = flag.Duration("duration", 0, "how long TestNobodySeesWhatPostgresHides goes on; 0 is one short round")
	seed     = flag.Uint64("seed", 0, "of everything that is random; 0 takes the time")
	rate     = flag.Int("rate", 150, "transactions of rows a second")
	pause    = flag.Duration("pause", 250*time.Millisecond, "between two changes of access, on average")
	clients  = flag.Int("clients", 18, "clients at once")
)

// roundLength is how long access is changed in one world.
const roundLength = 20 * time.Second

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

// onDemand leaves whole rounds to make access: rows of the resume window from
// before a change of access are not all told from later ones yet, which makes
// rounds red, and what a round has to falsify depends on what came when.
func onDemand(t *testing.T) {
	t.Helper()
	if os.Getenv("WALCAST_ACCESS") != "1" && *duration == 0 {
		t.Skip("make access, or WALCAST_ACCESS=1, has whole rounds")
	}
}

func TestNobodySeesWhatPostgresHides(t *testing.T) {
	onDemand(t)
	first := *seed
	if first == 0 {
		first = uint64(time.Now().Unix())
	}
	binary := buildWalcast(t)
	end := time.Now().Add(*duration)
	for n := first; n == first || time.Now().Before(end); n++ {
		r := oneRound(t, Options{Binary: binary, Seed: n, Duration: roundLength, Rate: *rate, Pause: *pause, Clients: *clients})
		t.Log(r.summary())
		failed := false
		for _, f := range r.faults {
			failed = failed || f.counts()
		}
		if failed {
			t.Errorf("again: make access SEED=%d DURATION=1s\n%s", n, r.details())
		}
	}
}

func buildWalcast(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "walcast")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "walcast/cmd/walcast").CombinedOutput(); err != nil {
		t.Fatalf("build walcast: %v\n%s", err, text)
	}
	return binary
}

func oneRound(t *testing.T, o Options) *round {
	t.Helper()
	o.State = t.TempDir()
	r, err := runRound(t.Context(), o)
	if err != nil {
		t.Fatalf("seed %d: %v", o.Seed, err)
	}
	return r
}
