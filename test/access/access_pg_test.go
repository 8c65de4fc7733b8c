package access

import (
	"flag"
	"os"
	"slices"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

var (
	duration = flag.Duration("duration", 0, "how long TestNobodySeesWhatPostgresHides goes on; 0 is one short and calm round")
	seed     = flag.Uint64("seed", 0, "of everything that is random; 0 takes the time, or that of the short round")
	rate     = flag.Int("rate", 150, "transactions of rows a second")
	pause    = flag.Duration("pause", 250*time.Millisecond, "between two changes of access, on average")
	clients  = flag.Int("clients", 18, "clients at once")
)

// roundLength is how long access is changed in one world.
const roundLength = 20 * time.Second

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

// short is a round for every run of the tests: calmer, as the machine may be
// busy, and of a seed whose world has some of everything.
func short(binary string) Options {
	return Options{Binary: binary, Seed: 12, Duration: 6 * time.Second, Rate: 60, Pause: 400 * time.Millisecond, Clients: 9, enough: fewFrames}
}

// fewFrames are enough for a judgement.
func fewFrames(r *round) bool {
	n := 0
	for _, c := range r.clients {
		for _, e := range c.diary.read() {
			if e.Kind == shown {
				n++
			}
		}
	}
	return n >= 300
}

func TestNobodySeesWhatPostgresHides(t *testing.T) {
	binary := program.Build(t)
	if *duration == 0 {
		o := short(binary)
		if *seed != 0 {
			o.Seed = *seed
		}
		hold(t, o, "go test ./test/access -run TestNobodySees -seed %d")
		return
	}
	first := *seed
	if first == 0 {
		first = uint64(time.Now().Unix())
	}
	end := time.Now().Add(*duration)
	for n := first; n == first || time.Now().Before(end); n++ {
		hold(t, Options{Binary: binary, Seed: n, Duration: roundLength, Rate: *rate, Pause: *pause, Clients: *clients}, "make access SEED=%d DURATION=1s")
	}
}

// hold runs a round, which must have no fault; again is how to have it again.
func hold(t *testing.T, o Options, again string) {
	t.Helper()
	r := oneRound(t, o)
	t.Log(r.summary())
	if slices.ContainsFunc(r.faults, Fault.counts) {
		t.Errorf("again: "+again+"\n%s", o.Seed, r.details())
	}
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
