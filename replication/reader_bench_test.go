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
	"walcast/replication/changelog"
)

// benchRows is how many rows a backlog has, in transactions of 1000.
const benchRows = 200_000

// backlog is a database with rows that nobody has read. Its slot stays where it
// is; every reading works on a copy.
type backlog struct {
	db     *devdb.DB
	end    string // LSN behind the last commit
	rows   int
	copies int
}

func newBacklog(b testing.TB, rows int) *backlog {
	b.Helper()
	db := devdb.Open(b)
	db.Exec(`create table bench (id bigint primary key, n int, t text, d numeric(12,2), at timestamptz, ok bool); create publication pub for table bench`)
	db.Exec(`select pg_create_logical_replication_slot($1, 'pgoutput')`, db.Name)
	for i := 0; i < rows; i += 1000 {
		db.Exec(`insert into bench select g, g % 1000, 'row number ' || g, g / 7.0, now(), g % 2 = 0 from generate_series($1::int, $1 + 999) g`, i)
	}
	return &backlog{db: db, rows: rows, end: flushed(b, db).String()}
}

// slot copies the slot.
func (k *backlog) slot() string {
	k.copies++
	name := fmt.Sprintf("%s_%d", k.db.Name, k.copies)
	k.db.Exec(`select pg_copy_logical_replication_slot($1, $2)`, k.db.Name, name)
	return name
}

// BenchmarkReaderDrain reads the same backlog with the Reader and with
// pg_recvlogical, which only writes it to /dev/null. They take turns; ratio is
// pg_recvlogical's best time divided by ours.
func BenchmarkReaderDrain(b *testing.B) {
	k := newBacklog(b, benchRows)
	ours, reference := time.Hour, time.Hour
	for b.Loop() {
		for range 3 {
			ours = min(ours, k.drain(b))
			reference = min(reference, k.recvlogical(b))
		}
	}
	b.ReportMetric(benchRows/ours.Seconds(), "rows/s")
	b.ReportMetric(reference.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

func (k *backlog) recvlogical(tb testing.TB) time.Duration {
	tb.Helper()
	slot, start := k.slot(), time.Now()
	cmd := exec.Command(filepath.Join(k.db.Server.BinDir, "pg_recvlogical"), "--dbname", k.db.DSN, "--slot", slot,
		"--start", "--file", "/dev/null", "--endpos", k.end, "-o", "proto_version=1", "-o", "publication_names=pub")
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("pg_recvlogical: %v\n%s", err, out)
	}
	return time.Since(start)
}

// drain reads everything into a log.
func (k *backlog) drain(b testing.TB) time.Duration {
	b.Helper()
	c := testConfig(k.db)
	c.Slot = k.slot()
	log := changelog.New(changelog.Config{Bytes: 64 << 20, Window: time.Minute})
	r, err := NewReader(c, log, k.db.Pool, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	cursor := log.Follow()
	for rows := 0; rows < k.rows; {
		changes, err := cursor.Next(ctx, 0)
		if err != nil {
			b.Fatal(err)
		}
		rows += len(rowsOf(changes))
	}
	took := time.Since(start)
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return took
}
