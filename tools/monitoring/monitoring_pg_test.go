package monitoring

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// countsBy finds queries of what is counted by a label: there is nothing before the first.
var countsBy = regexp.MustCompile(`by \((code|event|reason|limit|by|result)\)|_limit_bytes`)

// scrape returns what a node of a cluster that is well answers to Prometheus.
func scrape(t *testing.T) string {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec("create table t (id int primary key)")
	db.Exec("create publication supabase_realtime for table t")
	process, err := program.Start(program.Build(t, "-C", "../.."), testLog{t}, "--database-url", db.DSN, "--slot", db.Name, "--state-dir", "none",
		"--cluster-listen", "127.0.0.1:0", "--cluster-secret", "0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Stop() })
	if err := process.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get("http://" + process.Address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return read(t, answer.Body)
}

// TestQueriesRunOnWhatIsMeasured asks a walcast that is well: no alert fires, and every query
// of the dashboard has an answer, or is about what has not happened yet.
func TestQueriesRunOnWhatIsMeasured(t *testing.T) {
	of := measured(t, scrape(t))
	for name, query := range alerts(t) {
		if found := of.ask(t, query); len(found) > 0 {
			t.Errorf("%s fires on a walcast that is well: %v", name, found)
		}
	}
	for title, queries := range panels(t) {
		for _, query := range queries {
			if found := of.ask(t, query); len(found) == 0 && !countsBy.MatchString(query) {
				t.Errorf("%s: %s has no answer", title, query)
			}
		}
	}
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}
