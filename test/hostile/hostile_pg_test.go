package hostile

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/test/program"
)

var (
	only     = flag.String("attack", "", "which attacks to run, with commas; all of them without")
	duration = flag.Duration("duration", 0, "of each attack, with everything measured; 0 is a short run that measures nothing")
	settle   = flag.Duration("settle", 3*time.Minute, "how long memory may take to come back after an attack")
	seed     = flag.Uint64("seed", 1, "of everything that is random; 0 takes the time")
)

// shortRun is what the short run attacks with, for shortly each: whether others
// notice, not when.
var shortRun = []string{
	"catastrophicPatterns", "nulInNames", "rowsOnWhichThePolicyRaises", "equalBindings", "nulInPrivateTopics", "randomFrames",
}

const shortly = 2 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(orderVariable) != "" {
		os.Exit(attackAsOrdered())
	}
	os.Exit(devdb.Main(m).Run())
}

func TestOthersGetEverything(t *testing.T) {
	binary := program.Build(t)
	for _, attack := range shortRun {
		t.Run(attack, func(t *testing.T) {
			o := attackOnce(t, binary, attack, Options{Duration: shortly})
			t.Logf("\n%s%s  told: %s", header, o.row(), o.told())
			for _, fault := range o.harm() {
				t.Errorf("%s\n  again: go test ./test/hostile -run TestOthersGetEverything/%s -seed %d", fault, attack, *seed)
			}
		})
	}
}

func TestNobodyStallsAnother(t *testing.T) {
	if *duration == 0 {
		return // TestOthersGetEverything has run what can be judged without measuring
	}
	binary := program.Build(t)
	table := &strings.Builder{}
	for _, a := range wanted(t) {
		t.Run(name(a), func(t *testing.T) {
			o := attackOnce(t, binary, name(a), Options{Calm: 5 * time.Second, Duration: *duration, Settle: *settle})
			fmt.Fprint(table, o.row())
			t.Logf("\n%s%s  told: %s", header, o.row(), o.told())
			for _, fault := range append(o.harm(), o.excess()...) {
				t.Errorf("%s\n  again: make hostile HOSTILE='-attack %s' DURATION=%s SEED=%d", fault, name(a), *duration, *seed)
			}
		})
	}
	t.Logf("\n%s%s", header, table)
}

// wanted are the attacks that are asked for.
func wanted(t *testing.T) (all []attack) {
	t.Helper()
	if *only == "" {
		return attacks
	}
	for name := range strings.SplitSeq(*only, ",") {
		a, err := find(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// attackOnce runs an attack in a fresh database, against a fresh server.
func attackOnce(t *testing.T, binary, wanted string, o Options) outcome {
	t.Helper()
	if *seed == 0 {
		*seed = uint64(time.Now().Unix())
	}
	a, err := find(wanted)
	if err != nil {
		t.Fatal(err)
	}
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	o.Attack, o.Binary, o.DSN, o.State, o.Seed = a, binary, db.DSN, t.TempDir(), *seed
	found, err := runAttack(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
