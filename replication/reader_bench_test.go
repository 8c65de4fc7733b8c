package replication

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// benchRows is how many rows a backlog has, in transactions of 1000.
const benchRows = 200_000

// backlog is a database with rows that nobody has read. Its slot stays where it
// is; every reading works on a copy.
type backlog struct {
	db     *devdb.DB
	end    string // LSN behind the last commit
	copies int
}

func newBacklog(b *testing.B) *backlog {
	b.Helper()
	db := devdb.Open(b)
	db.Exec(`create table bench (id bigint primary key, n int, t text, d numeric(12,2), at timestamptz, ok bool); create publication pub for table bench`)
	db.Exec(`select pg_create_logical_replication_slot($1, 'pgoutput')`, db.Name)
	for i := 0; i < benchRows; i += 1000 {
		db.Exec(`insert into bench select g, g % 1000, 'row number ' || g, g / 7.0, now(), g % 2 = 0 from generate_series($1::int, $1 + 999) g`, i)
	}
	k := &backlog{db: db}
	if err := db.Pool.QueryRow(b.Context(), `select pg_current_wal_flush_lsn()::text`).Scan(&k.end); err != nil {
		b.Fatal(err)
	}
	return k
}

// slot copies the slot.
func (k *backlog) slot() string {
	k.copies++
	name := fmt.Sprintf("%s_%d", k.db.Name, k.copies)
	k.db.Exec(`select pg_copy_logical_replication_slot($1, $2)`, k.db.Name, name)
	return name
}

// BenchmarkReaderDrain reads the same backlog with the Reader and with
// pg_recvlogical, which only writes it to /dev/null: compare rows/s.
func BenchmarkReaderDrain(b *testing.B) {
	k := newBacklog(b)
	b.Run("reader=walcast", func(b *testing.B) {
		for b.Loop() {
			k.drain(b)
		}
		b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
	b.Run("reader=pg_recvlogical", func(b *testing.B) {
		for b.Loop() {
			cmd := exec.Command(filepath.Join(k.db.Server.BinDir, "pg_recvlogical"), "--dbname", k.db.DSN, "--slot", k.slot(),
				"--start", "--file", "/dev/null", "--endpos", k.end, "-o", "proto_version=1", "-o", "publication_names=pub")
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("pg_recvlogical: %v\n%s", err, out)
			}
		}
		b.ReportMetric(benchRows*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}

// drain reads everything into a log.
func (k *backlog) drain(b *testing.B) {
	c := testConfig(k.db)
	c.Slot = k.slot()
	log := NewLog(LogConfig{Bytes: 64 << 20, Window: time.Minute})
	r, err := NewReader(c, log, k.db.Pool, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	cursor := log.Follow()
	for rows := 0; rows < benchRows; {
		changes, err := cursor.Next(ctx, 0)
		if err != nil {
			b.Fatal(err)
		}
		rows += len(changes)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
