package server

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

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

// TestTheTextOfASQLASCIIDatabaseComesAsItIs over the pool too: such a database refuses
// every statement and every row with bytes that are no UTF-8 to others.
func TestTheTextOfASQLASCIIDatabaseComesAsItIs(t *testing.T) {
	config := configFor(devdb.OpenWith(t, "encoding 'SQL_ASCII' locale 'C' template template0"))
	pools, err := newPools(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pools.close()
	for name, pool := range map[string]*pgxpool.Pool{"the pool": pools.pool, "that of snapshots": pools.rows} {
		var encoding string
		if err := pool.QueryRow(t.Context(), "show client_encoding").Scan(&encoding); err != nil || encoding != "SQL_ASCII" {
			t.Errorf("client_encoding of %s = %q, %v; want SQL_ASCII", name, encoding, err)
		}
	}
}
