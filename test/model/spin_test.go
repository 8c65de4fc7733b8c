//go:build spin

package model

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// runs are what is checked: the models as the code is, within several bounds that each
// can be looked through, and each with a mistake, which has to be found.
var runs = []struct {
	name, model string
	bounds      string // of the model, as definitions
	fault       string // a part of the assertion that must fail; "" if none may
	breadth     bool   // looks at what takes few steps first
}{
	{name: "all harm over one takeover", model: "relay", bounds: "-DCHANGES=2 -DTERMS=2"},
	{name: "more changes over one takeover", model: "relay", bounds: "-DCHANGES=3 -DTERMS=2 -DKILLS=0 -DEXPIRIES=0"},
	{name: "logs over two takeovers", model: "relay", bounds: "-DCHANGES=2 -DCLIENTS=0 -DKILLS=0 -DEXPIRIES=0"},
	{name: "a client that moves", model: "moving", bounds: "-DCHANGES=2 -DMOVES=3"},
	{name: "mistake 1", model: "relay", bounds: "-DMISTAKE=1 -DCHANGES=2 -DTERMS=2", fault: "<=node[n].head"},
	{name: "mistake 2", model: "relay", bounds: "-DMISTAKE=2 -DCHANGES=2 -DCLIENTS=0 -DKILLS=0 -DEXPIRIES=0", fault: "<=node[n].head", breadth: true},
	{name: "mistake 3", model: "relay", bounds: "-DMISTAKE=3 -DCHANGES=2 -DTERMS=2", fault: "<=node[n].head"},
	{name: "mistake 4", model: "relay", bounds: "-DMISTAKE=4 -DCHANGES=2 -DTERMS=2", fault: "<=node[n].head"},
	{name: "mistake 5", model: "relay", bounds: "-DMISTAKE=5 -DCHANGES=2 -DTERMS=2", fault: "x>got"},
	{name: "mistake 6", model: "relay", bounds: "-DMISTAKE=6 -DCHANGES=2 -DTERMS=2", fault: "stream[terms].from<=node[n].head"},
	{name: "mistake 7", model: "moving", bounds: "-DMISTAKE=7 -DCHANGES=2 -DMOVES=2", fault: "cursor<=(has+1)"},
	{name: "mistake 8", model: "moving", bounds: "-DMISTAKE=8 -DCHANGES=2 -DMOVES=2", fault: "!(isOld)"},
	{name: "mistake 9", model: "moving", bounds: "-DMISTAKE=9 -DCHANGES=2 -DMOVES=2", fault: "proven>=most"},
	{name: "mistake 10", model: "moving", bounds: "-DMISTAKE=10 -DCHANGES=2 -DMOVES=2", fault: "!(isOld)"},
	{name: "mistake 11", model: "moving", bounds: "-DMISTAKE=11 -DCHANGES=2 -DMOVES=2", fault: "cursor<=(has+1)"},
}

func TestSpin(t *testing.T) {
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not there: apt-get install spin gcc (Debian's packages), or spinroot.com", tool)
		}
	}
	for _, r := range runs {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			output := check(t, r.model, strings.Fields(r.bounds), r.breadth)
			t.Logf("%s states, %s MiB, %s", figure(output, `([\d.e+]+) states, stored`), figure(output, `([\d.]+)\s+total actual memory usage`), time.Since(began).Round(time.Second/10))
			switch {
			case r.fault != "" && (!strings.Contains(output, "assertion violated") || !strings.Contains(output, r.fault)):
				t.Errorf("the mistake was not found by the assertion of %s:\n%s", r.fault, output)
			case r.fault == "" && (!strings.Contains(output, "errors: 0") || regexp.MustCompile(`(?i)not completed|too small|out of memory`).MatchString(output)):
				t.Errorf("not all was looked at, or a fault was found:\n%s", output)
			}
		})
	}
}

// check has spin look at a model, and returns what it says. Of a fault it says the steps
// that lead to it.
func check(t *testing.T, model string, bounds []string, breadth bool) string {
	t.Helper()
	dir := t.TempDir()
	file, err := filepath.Abs(filepath.Join(root, "docs/model", model+".pml"))
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, arguments ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, arguments...)
		cmd.Dir = dir
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, arguments, err, output)
		}
		return string(output)
	}
	run("spin", append(bounds, "-a", file)...)
	arguments := []string{"-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=3500", "-o", "pan", "pan.c"}
	if breadth {
		arguments = append(arguments, "-DBFS")
	}
	run("gcc", arguments...)
	return run("./pan", "-m1000000", "-Q10")
}

// figure is what an expression finds in the output.
func figure(output, expression string) string {
	found := regexp.MustCompile(expression).FindStringSubmatch(output)
	if found == nil {
		return "?"
	}
	return found[1]
}
