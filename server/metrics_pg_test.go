package server

import (
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/devdb"
	"walcast/replication"
)

// description is how Prometheus' client prints a prometheus.Desc, which has no other way to
// be read.
var description = regexp.MustCompile(`^Desc\{fqName: "(walcast_\w+)", help: "(.*)", unit: ".*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)

// TestMetricsAreDocumented compares docs/metrics.md with what a node of a cluster has.
func TestMetricsAreDocumented(t *testing.T) {
	db := devdb.Open(t)
	c := DefaultConfig()
	c.Replication.DatabaseURL, c.Version = db.DSN, "v1.2.3"
	c.Cluster.Listen, c.Cluster.Secret = "127.0.0.1:0", "0123456789abcdef"
	p, err := newProject(t.Context(), c, "127.0.0.1:4000", func(replication.Role) {}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		p.registry.Describe(descriptions)
	}()
	labels, helps := map[string][]string{}, map[string]string{}
	for d := range descriptions {
		found := description.FindStringSubmatch(d.String())
		if found == nil {
			continue // of Go, or of the process
		}
		name := found[1]
		helps[name] = strings.ReplaceAll(found[2], `\"`, `"`)
		for label := range strings.SplitSeq(found[3]+","+found[4], ",") {
			if label, _, _ = strings.Cut(label, "="); label != "" && !slices.Contains(labels[name], label) {
				labels[name] = append(labels[name], label)
			}
		}
	}
	rows := make([]string, 0, len(helps))
	for name, help := range helps {
		of := ""
		if len(labels[name]) > 0 {
			slices.Sort(labels[name])
			of = "`" + strings.Join(labels[name], "`, `") + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", name, of, strings.ReplaceAll(help, "|", `\|`)))
	}
	slices.Sort(rows)
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := regexp.MustCompile("(?m)^\\| `walcast_.*$").FindAllString(string(text), -1)
	if diff := cmp.Diff(documented, rows); diff != "" {
		t.Errorf("metrics (-in docs/metrics.md +in the code):\n%s", diff)
	}
}
