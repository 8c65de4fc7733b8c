// Package road holds the imports to the table of packages in
// docs/architecture.md: they point down the road of a change only. The linter's
// depguard rules say the same where golangci-lint runs; this runs everywhere.
package road

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// may lists which packages of ours a package may import. Packages below one of
// them count as it.
var may = map[string][]string{
	"protocol":    {"internal"},
	"replication": nil,
	"presence":    nil,
	"auth":        nil,
	"migrations":  nil,
	"filters":     {"replication", "internal"},
	"policy":      {"filters", "replication", "internal"},
	"channels":    {"presence", "policy", "filters", "auth", "protocol", "replication"},
	"gateway":     {"channels", "protocol", "auth", "replication"},
	"server":      {"gateway", "channels", "policy", "filters", "auth", "migrations", "protocol", "replication"},
	"cmd":         {"server", "gateway", "channels", "presence", "auth", "migrations", "replication", "internal"},
	"internal":    nil,
}

// forTests are packages that only tests import; what they import is theirs.
var forTests = []string{"conformance", "drill", "e2e"}

func TestImportsPointDownTheRoad(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "walcast/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		from := top(names[0])
		allowed, known := may[from]
		switch {
		case slices.Contains(forTests, from):
			continue
		case !known:
			t.Errorf("%s has no place in the table of packages", names[0])
			continue
		}
		for _, name := range names[1:] {
			if to := top(name); to != "" && to != from && !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s; it may import %v", names[0], name, allowed)
			}
			if path.Base(name) == "golden" {
				t.Errorf("%s imports %s, which is for tests", names[0], name)
			}
		}
	}
}

// top is the first folder of a package of ours, "" for others.
func top(name string) string {
	rest, ours := strings.CutPrefix(name, "walcast/")
	if !ours {
		return ""
	}
	first, _, _ := strings.Cut(rest, "/")
	return first
}
