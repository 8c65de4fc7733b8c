package server

import (
	"testing"

	"walcast/internal/devdb"
)

// TestPostgresCompilesNothingForOurSessions holds what keeps looks at the catalog
// quick on a busy machine.
func TestPostgresCompilesNothingForOurSessions(t *testing.T) {
	config := configFor(devdb.Open(t))
	pool, err := newPool(t.Context(), config, config.PoolSize)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var jit string
	if err := pool.QueryRow(t.Context(), "show jit").Scan(&jit); err != nil || jit != "off" {
		t.Errorf("jit = %q, %v; want off", jit, err)
	}
}
