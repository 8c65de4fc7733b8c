package server

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
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

// TestTheSessionsOfPoolersAreLeftAsTheyAre, as they are given to others: only where Postgres
// itself has answered do names mean what it has made.
func TestTheSessionsOfPoolersAreLeftAsTheyAre(t *testing.T) {
	config := configFor(devdb.Open(t))
	pool, err := newPool(t.Context(), config, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	path := func(conn *pgconn.PgConn) string {
		t.Helper()
		shown, err := conn.Exec(t.Context(), "show search_path").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return string(shown[0].Rows[0][0])
	}
	direct, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Release()
	if got := path(direct.Conn().PgConn()); got != "pg_catalog, pg_temp" {
		t.Errorf("search_path = %q; want that of the catalog", got)
	}
	conn, err := pgconn.Connect(t.Context(), config.Replication.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	answer.PID++
	pooled, err := pgconn.Construct(answer)
	if err != nil {
		t.Fatal(err)
	}
	defer pooled.Close(t.Context())
	before := path(pooled)
	if err := pool.Config().ConnConfig.AfterConnect(t.Context(), pooled); err != nil {
		t.Fatal(err)
	}
	if got := path(pooled); got != before {
		t.Errorf("search_path = %q; want %q, as it was", got, before)
	}
}
