package server

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"walcast/internal/devdb"
)

// benchSchema is an app's: messages are for everybody, notes for their owner.
const benchSchema = schema + `
	grant select on messages to authenticated;
	create table notes (id int primary key, owner uuid not null, body text);
	alter table notes enable row level security;
	create policy own on notes using (owner = (select auth.uid()));
	grant select on notes to authenticated;
	alter publication supabase_realtime add table notes;
	create table writers (id uuid primary key);
	create table memos (id int primary key, owner uuid not null, body text);
	alter table memos enable row level security;
	create policy own on memos using (exists (select from writers w where w.id = owner and w.id = (select auth.uid())));
	grant select on memos, writers to authenticated;
	alter publication supabase_realtime add table memos;
`

// bench is a server on a database of its own, until the benchmark ends.
type bench struct {
	*Server
	tb   testing.TB
	db   *devdb.DB
	rows int // in all tables so far
}

func serveForBench(tb testing.TB) *bench {
	tb.Helper()
	db := devdb.Open(tb)
	devdb.SupabaseRoles(db)
	db.Exec(benchSchema)
	c := configFor(db)
	c.Log.Bytes = 1 << 30 // a client that falls behind is slow, and need not resync
	c.Gateway.QueueBytes = 64 << 20
	// Postgres notes what it is asked.
	c.Replication.DatabaseURL += "&options=-c%20log_statement%3Dall"
	s, err := New(c, slog.New(slog.NewTextHandler(testWriter{tb}, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		tb.Fatal(err)
	}
	s.examines = false
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	select {
	case <-s.Ready():
	case <-time.After(patience):
		tb.Fatalf("server not ready within %s", patience)
	}
	return &bench{Server: s, tb: tb, db: db}
}

// statement is a line of Postgres' log for one that a client sent.
var statement = regexp.MustCompile(`LOG:  (execute|statement)[^:]*: `)

// byTheClock is in the statements that are due by the clock, not by changes, and in
// the looks at the rules of access, which all changes share.
var byTheClock = regexp.MustCompile(`pg_replication_slots|pg_publication|pg_logical_emit_message|realtime\.|pg_db_role_setting`)

// look is in the statement that looks at what access depends on.
var look = regexp.MustCompile(`pg_db_role_setting`)

// statements counts what the server has asked Postgres so far, but its upkeep.
func (s *bench) statements() (n int) {
	s.tb.Helper()
	return s.asked(func(entry []byte) bool { return !byTheClock.Match(entry) })
}

// looks counts the looks at what access depends on.
func (s *bench) looks() (n int) {
	s.tb.Helper()
	return s.asked(look.Match)
}

// asked counts statements of the server in Postgres' log.
func (s *bench) asked(is func(entry []byte) bool) (n int) {
	s.tb.Helper()
	log, err := os.ReadFile(s.db.Server.LogPath())
	if err != nil {
		s.tb.Fatal(err)
	}
	for entry := range bytes.SplitSeq(log, []byte("\n20")) { // a statement may have several lines
		if statement.Match(entry) && is(entry) {
			n++
		}
	}
	return n
}

// residentBytes is the memory of this process after everything unused is given
// back. Stacks shrink by half in each collection.
func residentBytes(tb testing.TB) float64 {
	tb.Helper()
	for range 4 {
		debug.FreeOSMemory()
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		tb.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		tb.Fatal(err)
	}
	return float64(pages * os.Getpagesize())
}

// processorTime is what this process has used so far.
func processorTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
