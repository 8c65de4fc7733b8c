package monitoring

import (
	"encoding/json"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"walcast/internal/devdb"
)

const directory = "../../docs/monitoring/"

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

// alerts returns the queries of the alerts by name.
func alerts(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(directory + "alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		t.Fatalf("read the alerts: %v", errs)
	}
	queries := map[string]string{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			queries[r.Alert] = r.Expr
		}
	}
	return queries
}

// panels returns the queries of the dashboard by the title of their panel, with what Grafana
// puts in the place of its variables.
func panels(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(directory + "dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$job", ".*", "$instance", ".*", "$__rate_interval", "1m")
	queries := map[string][]string{}
	for _, p := range dashboard.Panels {
		for _, q := range p.Targets {
			queries[p.Title] = append(queries[p.Title], fill.Replace(q.Expr))
		}
		if p.Type != "row" && len(queries[p.Title]) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
	}
	return queries
}

// TestQueriesAreOfMetricsThatThereAre finds a name or a label that no metric has.
func TestQueriesAreOfMetricsThatThereAre(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(walcast_\\w+)` \\| (.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		labels[row[1]] = row[2]
	}
	check := func(of, query string) {
		expression, err := parser.NewParser(parser.Options{}).ParseExpr(query)
		if err != nil {
			t.Errorf("%s: %v", of, err)
			return
		}
		by, names := []string{}, []string{}
		parser.Inspect(expression, func(n parser.Node, _ []parser.Node) error {
			switch n := n.(type) {
			case *parser.AggregateExpr:
				by = append(by, n.Grouping...)
			case *parser.VectorSelector:
				names = append(names, n.Name)
			}
			return nil
		})
		for _, name := range names {
			base := regexp.MustCompile(`_seconds_(bucket|sum|count)$`).ReplaceAllString(name, "_seconds")
			if _, has := labels[base]; !has && !strings.HasPrefix(name, "process_") {
				t.Errorf("%s: there is no metric %s", of, name)
			}
			for _, label := range by {
				if !slices.Contains([]string{"job", "instance", "le"}, label) && !strings.Contains(labels[base], "`"+label+"`") {
					t.Errorf("%s: %s has no label %s", of, name, label)
				}
			}
		}
	}
	for name, query := range alerts(t) {
		check(name, query)
	}
	for title, queries := range panels(t) {
		for _, query := range queries {
			check(title, query)
		}
	}
}

// TestEachAlertFires has for each alert what it is for.
func TestEachAlertFires(t *testing.T) {
	fires := map[string][]string{
		"WalcastGetsNoChanges":            {"walcast_replication_streaming 0", "walcast_replication_following 0", "walcast_replication_standby 0"},
		"WalcastNobodyReads":              {"walcast_replication_streaming 0"},
		"WalcastLate":                     {"walcast_replication_lag_seconds 31"},
		"WalcastDeliversLate":             {`walcast_gateway_commit_to_socket_seconds_bucket{le="1"} 0`, `walcast_gateway_commit_to_socket_seconds_bucket{le="4"} 0+9`, `walcast_gateway_commit_to_socket_seconds_bucket{le="+Inf"} 0+9`},
		"WalcastSlotKeepsMuchWAL":         {"walcast_replication_retained_wal_bytes 8e9", "walcast_replication_retained_wal_limit_bytes 1e10"},
		"WalcastSlotLost":                 {`walcast_replication_slot_recreated_total{reason="slot_lost"} 0+1`},
		"WalcastClientsMissedChanges":     {`walcast_channels_resyncs_total{code="slot_lost"} 0+1`},
		"WalcastRefusesClients":           {`walcast_gateway_refused_total{reason="token"} 0+100`},
		"WalcastClientsReadTooSlowly":     {"walcast_gateway_queue_overflows_total 0+10"},
		"WalcastPoliciesFail":             {"walcast_policy_raised_total 0+1"},
		"WalcastSlowLooks":                {`walcast_policy_look_seconds_bucket{le="1"} 0`, `walcast_policy_look_seconds_bucket{le="4"} 0+9`, `walcast_policy_look_seconds_bucket{le="+Inf"} 0+9`},
		"WalcastNoPartitionOfMessages":    {"walcast_migrations_upkeep_failures_total 0+1"},
		"WalcastNodeWithoutBus":           {"walcast_cluster_connected 0"},
		"WalcastBusLosesMessages":         {"walcast_cluster_lost_messages_total 0", "walcast_cluster_slow_reads_total 0+1"},
		"WalcastNodesOfDifferentVersions": {`walcast_build_info{version="v1"} 1`, `walcast_build_info{version="v2"} 1`},
	}
	for name, query := range alerts(t) {
		series, has := fires[name]
		if !has {
			t.Errorf("nothing is tried for %s", name)
			continue
		}
		if found := measured(t, strings.Join(series, "\n")+"\n").ask(t, query); len(found) == 0 {
			t.Errorf("%s does not fire for %q", name, series)
		}
	}
}
