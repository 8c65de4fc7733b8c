package replication

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReaderDrainsABacklog is the benchmark at a small size. A Postgres from npm
// comes without pg_recvlogical, and so without somebody to compare with.
func TestReaderDrainsABacklog(t *testing.T) {
	k := newBacklog(t, 2000)
	if ours := k.drain(t); ours <= 0 {
		t.Errorf("took %s; want some time", ours)
	}
	if _, err := os.Stat(filepath.Join(k.db.Server.BinDir, "pg_recvlogical")); err != nil {
		return
	}
	if reference := k.recvlogical(t); reference <= 0 {
		t.Errorf("pg_recvlogical took %s; want some time", reference)
	}
}
