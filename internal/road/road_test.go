// Package road holds the code to the tables in docs/architecture.md: imports
// point down the road of a change only, and every lock and every file that
// starts goroutines is named. The depguard rules in .golangci.yml repeat a part
// of the first.
package road

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// may lists which packages of ours a package may import. A package without an
// entry of its own counts as the one that it is below.
var may = map[string][]string{
	"protocol":              {"internal/elixir"},
	"presence":              {"protocol", "internal/nodes"},
	"presence/exchange":     {"presence", "protocol", "internal/nodes"},
	"auth":                  nil,
	"cluster":               {"internal/nodes"},
	"migrations":            nil,
	"replication/wal":       nil,
	"replication/rowjson":   {"replication/wal", "internal/pgarray"},
	"replication/pgoutput":  {"replication/wal"},
	"replication/changelog": {"replication/wal"},
	"replication/catalog":   {"replication/wal"},
	"replication/relay":     {"replication/changelog", "replication/pgoutput", "replication/wal", "internal/nodes"},
	"replication": {
		"replication/catalog", "replication/changelog", "replication/pgoutput", "replication/relay", "replication/wal", "internal/conninfo",
	},
	"filters/pattern": nil,
	"filters/datum":   {"replication/wal", "internal/pgarray"},
	"filters":         {"filters/datum", "filters/pattern", "replication/wal", "internal/elixir", "internal/pgarray"},
	"policy/sql":      {"internal/pgarray"},
	"policy/compile":  {"policy/sql", "filters", "replication/wal"},
	"policy":          {"policy/compile", "policy/sql", "filters", "replication/wal", "internal/atomicfile", "internal/conninfo"},
	"diagnose":        {"policy", "filters", "protocol", "replication/catalog", "replication/wal"},
	"diagnose/doctor": {"diagnose", "policy", "protocol", "replication", "replication/catalog", "replication/wal"},
	"diagnose/explain": {
		"diagnose", "policy", "filters", "protocol", "replication/catalog", "replication/wal",
	},
	"channels/resume": {"protocol", "replication/changelog", "replication/wal", "internal/atomicfile", "internal/nodes"},
	"channels/moving": {"channels/resume", "protocol", "internal/nodes"},
	"channels/topics": {"protocol", "replication/wal", "internal/nodes"},
	"channels/spread": {"channels/topics", "protocol", "internal/nodes"},
	"channels/fanout": {
		"channels/live", "diagnose", "policy", "filters", "protocol", "internal/heavy",
		"replication/changelog", "replication/rowjson", "replication/wal",
	},
	"channels/live": {
		"diagnose", "policy", "filters", "protocol", "internal/conninfo",
		"replication/catalog", "replication/changelog", "replication/wal",
	},
	"channels": {
		"channels/fanout", "channels/live", "channels/spread", "channels/topics", "channels/resume", "channels/moving", "diagnose",
		"presence", "presence/exchange", "policy", "filters", "auth", "protocol", "internal/heavy", "internal/nodes",
		"replication/catalog", "replication/changelog", "replication/wal",
	},
	"gateway":     {"channels", "protocol", "auth", "internal/heavy"},
	"gateway/api": {"channels", "cluster", "diagnose", "diagnose/doctor", "diagnose/explain", "protocol", "auth", "replication", "replication/catalog", "internal/nodes"},
	"server": {
		"gateway", "gateway/api", "channels", "channels/topics", "cluster", "diagnose/doctor", "diagnose/explain", "policy", "filters", "auth", "migrations", "protocol",
		"replication", "replication/catalog", "replication/changelog", "internal/conninfo", "internal/memory", "internal/quiet",
	},
	"cmd": {
		"server", "gateway", "channels", "channels/live", "cluster", "diagnose", "diagnose/doctor", "diagnose/explain", "presence", "auth", "migrations",
		"replication", "replication/changelog", "internal/conninfo", "internal/devdb", "internal/memory", "internal/subscriber", "examples/todos",
	},
	"examples/todos":      {"clients/js"},
	"clients/js":          nil,
	"internal":            nil,
	"internal/atomicfile": nil,
	"internal/conninfo":   nil,
	"internal/heavy":      nil,
	"internal/nodes":      nil,
	"internal/memory":     nil,
	"internal/subscriber": nil,
	"internal/quiet":      nil,
	"internal/pgarray":    nil,
	"internal/elixir":     nil,
	"internal/logtest":    {"replication/catalog", "replication/changelog", "replication/wal", "internal/devdb"},
	// A command that finds a Postgres for make.
	"internal/devdb":      nil,
	"internal/devdb/find": {"internal/devdb"},
}

// withoutDriver are the packages of the core, whose input and output are plain
// values: they import no driver of Postgres.
var withoutDriver = []string{
	"protocol", "presence", "presence/exchange", "channels/topics", "channels/resume", "replication/wal", "replication/rowjson", "replication/pgoutput", "replication/changelog", "replication/relay",
	"filters", "filters/datum", "filters/pattern", "policy/sql", "policy/compile",
}

// forTests is the folder of the tests of the whole program, which nothing else
// may import; what they import is theirs.
const forTests = "test"

// onlyForTests are packages that no program may import.
var onlyForTests = []string{
	"walcast/internal/await", "walcast/internal/clock", "walcast/internal/golden", "walcast/internal/logtest", "walcast/internal/once", "walcast/internal/property",
	"walcast/internal/transcript",
}

func TestImportsPointDownTheRoad(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "walcast/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		names := strings.Fields(line)
		from, known := entryOf(names[0])
		switch {
		case from == forTests:
			continue
		case !known:
			t.Errorf("%s is not in the table of packages", names[0])
			continue
		}
		for _, name := range names[1:] {
			if to, _ := entryOf(name); to != "" && to != from && !slices.Contains(may[from], to) {
				t.Errorf("%s imports %s; it may import %v", names[0], name, may[from])
			}
			if strings.HasPrefix(name, "github.com/jackc/") && slices.Contains(withoutDriver, from) {
				t.Errorf("%s imports %s; it is to do without a driver", names[0], name)
			}
			if slices.Contains(onlyForTests, name) {
				t.Errorf("%s imports %s, which is for tests", names[0], name)
			}
		}
	}
}

// entryOf is the entry of the table that a package of ours counts as, or its
// first folder if there is none; "" for packages that are not ours.
func entryOf(name string) (entry string, known bool) {
	rest, ours := strings.CutPrefix(name, "walcast/")
	if !ours {
		return "", false
	}
	for entry = rest; entry != "."; entry = path.Dir(entry) {
		if _, known = may[entry]; known {
			return entry, true
		}
	}
	first, _, _ := strings.Cut(rest, "/")
	return first, false
}
