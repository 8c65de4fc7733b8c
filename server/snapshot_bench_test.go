package server

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// BenchmarkSnapshot is 10,000 rows from the join of one client until it has the last, against
// COPY of the same rows to a file; and 500 rows at a thousand clients that join at once,
// which are to share one query.
func BenchmarkSnapshot(b *testing.B) {
	b.Run("clients=1", func(b *testing.B) {
		s := serveForBench(b)
		s.fill(10_000)
		var ours, bare time.Duration
		for b.Loop() {
			bare += s.copyOut()
			ours += s.snapshots(1)
		}
		b.ReportMetric(milliseconds(ours/time.Duration(b.N)), "ms")
		b.ReportMetric(float64(ours)/float64(bare), "of-copy")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("clients=1000", func(b *testing.B) {
		s := serveForBench(b)
		s.fill(500)
		asked := s.queriesOfSnapshots()
		for b.Loop() {
			b.ReportMetric(s.snapshots(1000).Seconds(), "s")
		}
		b.ReportMetric(float64(s.queriesOfSnapshots()-asked)/float64(b.N), "queries")
		b.ReportMetric(0, "ns/op")
	})
}

// fill inserts so many rows, and waits until the server has them.
func (s *bench) fill(rows int) {
	s.tb.Helper()
	s.db.Exec(`insert into messages select n, n % 10, 'somebody says something, ' || n from generate_series(1, $1::int) n`, rows)
}

// copyOut is how long COPY of the rows to a file takes.
func (s *bench) copyOut() time.Duration {
	s.tb.Helper()
	conn, err := s.db.Pool.Acquire(s.tb.Context())
	if err != nil {
		s.tb.Fatal(err)
	}
	defer conn.Release()
	start := time.Now()
	file, err := os.Create(filepath.Join(s.tb.TempDir(), "rows"))
	if err != nil {
		s.tb.Fatal(err)
	}
	defer file.Close()
	if _, err := conn.Conn().PgConn().CopyTo(s.tb.Context(), io.Writer(file), "copy messages to stdout"); err != nil {
		s.tb.Fatal(err)
	}
	return time.Since(start)
}

// snapshots has so many clients join at once, and is how long it takes until each has all rows.
func (s *bench) snapshots(clients int) time.Duration {
	s.tb.Helper()
	all := make([]*participant, clients)
	for i := range all {
		m, err := enter(s.Addr(), signed("anon", ""))
		if err != nil {
			s.tb.Fatal(err)
		}
		defer m.conn.Close()
		all[i] = m
	}
	start := time.Now()
	var reading sync.WaitGroup
	for _, m := range all {
		reading.Go(func() {
			if err := m.readSnapshot(); err != nil {
				s.tb.Error(err)
			}
		})
	}
	reading.Wait()
	return time.Since(start)
}

// readSnapshot joins with a snapshot and reads to its end.
func (m *participant) readSnapshot() error {
	if err := m.join("realtime:room", `{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","snapshot":true}]}}`, true); err != nil {
		return err
	}
	_ = m.conn.SetReadDeadline(time.Now().Add(3 * patience))
	for {
		text, err := m.next()
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(`"snapshot_end"`)) {
			return nil
		}
	}
}

// queriesOfSnapshots counts those in Postgres' log.
func (s *bench) queriesOfSnapshots() int {
	s.tb.Helper()
	return s.asked(func(entry []byte) bool { return bytes.Contains(entry, []byte(`declare "walcast_`)) })
}
