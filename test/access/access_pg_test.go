package access

import (
	"errors"
	"flag"
	"fmt"
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
	report   = flag.String("report", "", "file that gets the figures of all rounds added")
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
	all := newFigures(time.Now())
	for n := first; n == first || time.Since(all.began) < *duration; n++ {
		o := Options{Binary: binary, Seed: n, Duration: roundLength, Rate: *rate, Pause: *pause, Clients: *clients}
		all.broken = append(all.broken, n)
		t.Run(fmt.Sprint(n), func(t *testing.T) { // a test of its own, so that nothing of it is kept
			all.add(hold(t, o, "make access SEED=%d DURATION=1s"))
			all.broken = all.broken[:len(all.broken)-1]
		})
	}
	t.Log(all)
	if *report != "" {
		write(t, *report, all.String())
	}
}

// write adds a text to a file.
func write(t *testing.T, path, text string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = file.WriteString(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Errorf("write the figures: %v", err)
	}
}

// hold runs a round, which must have no fault; again is how to have it again.
func hold(t *testing.T, o Options, again string) *round {
	t.Helper()
	r := oneRound(t, o)
	t.Log(r.summary())
	if slices.ContainsFunc(r.faults, Fault.counts) {
		t.Errorf("again: "+again+"\n%s", o.Seed, r.details())
	}
	return r
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
