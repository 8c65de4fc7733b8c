package doctor

import "testing"

// TestAHealthyDatabaseHasNoFindings but that nothing limits what slots keep, which Postgres
// leaves so.
func TestAHealthyDatabaseHasNoFindings(t *testing.T) {
	l := newServer(t, map[string]string{"max_slot_wal_keep_size": "10GB"}, healthy)
	r := l.examine()
	if !r.IsHealthy() || r.Count(OK) < 20 || r.Database != l.db.Name || r.Platform != "" {
		t.Errorf("a healthy database is told %s", r)
	}
	t.Log(r)
}
