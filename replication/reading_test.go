package replication

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/await"
	"walcast/internal/devdb"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// patience bounds whatever a test waits for.
const patience = 30 * time.Second

// flushed is the end of the WAL that a database's server has flushed.
func flushed(tb testing.TB, db *devdb.DB) wal.LSN {
	tb.Helper()
	var end string
	if err := db.Pool.QueryRow(tb.Context(), `select pg_current_wal_flush_lsn()::text`).Scan(&end); err != nil {
		tb.Fatal(err)
	}
	lsn, err := wal.ParseLSN(end)
	if err != nil {
		tb.Fatal(err)
	}
	return lsn
}

// reading is a Reader at work in a test.
type reading struct {
	t      *testing.T
	db     *devdb.DB
	reader *Reader
	log    *changelog.Log
	lines  *await.Output
	reg    *prometheus.Registry
	cursor *changelog.Cursor
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, once done
}

// setup is what a Reader is made of in a test.
type setup struct {
	config Config
	timing timing
	pool   *pgxpool.Pool
}

// option changes the setup of a Reader.
type option func(*setup)

// testConfig reads publication "pub" through the slot named after the database.
func testConfig(db *devdb.DB) Config {
	c := DefaultConfig()
	c.DatabaseURL, c.Slot, c.Publications = db.DSN, db.Name, []string{"pub"}
	return c
}

// quickSetup shortens what the tests wait for and would not notice.
func quickSetup(db *devdb.DB) *setup {
	s := &setup{config: testConfig(db), timing: defaultTiming(), pool: db.Pool}
	s.timing.tick = 20 * time.Millisecond
	s.timing.sample = 50 * time.Millisecond
	s.timing.retryFirst, s.timing.retryMost = 10*time.Millisecond, 100*time.Millisecond
	s.timing.slowFirst, s.timing.slowMost = 20*time.Millisecond, 100*time.Millisecond
	s.timing.publications, s.timing.lookAgain = 100*time.Millisecond, 20*time.Millisecond
	s.timing.statusUpdate = 100 * time.Millisecond
	return s
}

// holding is a log that keeps everything for a test's time.
func holding() changelog.Config { return changelog.Config{Bytes: 64 << 20, Window: time.Hour} }

// startReader starts a Reader with a log of its own and waits until it streams.
func startReader(t *testing.T, db *devdb.DB, c changelog.Config, options ...option) *reading {
	t.Helper()
	r := runReader(t, db, c, options...)
	r.waitStreaming()
	return r
}

// runReader starts a Reader and does not wait.
func runReader(t *testing.T, db *devdb.DB, c changelog.Config, options ...option) *reading {
	t.Helper()
	r := &reading{t: t, db: db, log: changelog.New(c), lines: await.NewOutput(), reg: prometheus.NewRegistry(), done: make(chan struct{})}
	s := quickSetup(db)
	for _, option := range options {
		option(s)
	}
	reader, err := newReader(s.config, s.timing, r.log, s.pool, slog.New(slog.NewTextHandler(r.lines, nil)), r.reg)
	if err != nil {
		t.Fatal(err)
	}
	r.reader, r.cursor = reader, r.log.Follow()
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(r.done)
		r.err = reader.Run(ctx)
	}()
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("the reader said:\n%s", r.lines)
		}
	})
	return r
}

// stop ends the reader gracefully and returns what Run returned.
func (r *reading) stop() error {
	r.cancel()
	return r.wait()
}

// wait returns what Run returns, when it does.
func (r *reading) wait() error {
	r.t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		r.t.Fatal("the reader does not end")
		return nil
	}
}

func (r *reading) waitStreaming() {
	r.t.Helper()
	r.until("streaming", func() bool { return r.reader.Status().Streaming })
}

// until waits for a condition; Run must go on meanwhile.
func (r *reading) until(what string, is func() bool) {
	r.t.Helper()
	r.untilWithin(patience, what, is)
}

// untilWithin is until for what takes long.
func (r *reading) untilWithin(long time.Duration, what string, is func() bool) {
	r.t.Helper()
	limit := time.After(long)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-r.done:
			if r.err != nil {
				r.t.Fatalf("waiting for %s: Run ended with %v", what, r.err)
			}
			r.t.Fatalf("waiting for %s: Run ended", what)
		case <-limit:
			r.t.Fatalf("waiting for %s: still not after %v; status %+v\n%s", what, long, r.reader.Status(), r.lines)
		case <-tick.C:
		}
	}
}

// waitFor waits for a condition that needs no reader.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	await.True(t, patience, what, is)
}

// next returns the next n changes; the ends of transactions are left out.
func (r *reading) next(n int) []*wal.Change {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var all []*wal.Change
	for len(all) < n {
		changes, err := r.cursor.Next(ctx, n-len(all))
		if err != nil {
			r.t.Fatalf("after %d of %d changes: %v; status %+v\n%s", len(all), n, err, r.reader.Status(), r.lines)
		}
		all = append(all, rowsOf(changes)...)
	}
	return all
}

// rowsOf are the changes without the ends of transactions.
func rowsOf(changes []*wal.Change) []*wal.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c *wal.Change) bool { return c.Operation == wal.Commit })
}

// want compares the next changes with their texts; see describeChange.
func (r *reading) want(texts ...string) []*wal.Change {
	r.t.Helper()
	changes := r.next(len(texts))
	got := make([]string, len(changes))
	for i, c := range changes {
		got[i] = describeChange(c)
	}
	if diff := cmp.Diff(texts, got); diff != "" {
		r.t.Fatalf("changes differ (-want +got):\n%s", diff)
	}
	return changes
}

// wantResync waits for the cursor to be told, with this code.
func (r *reading) wantResync(code string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, err := r.cursor.Next(ctx, 0)
		var resync *changelog.ResyncError
		if errors.As(err, &resync) {
			if resync.Code != code {
				r.t.Fatalf("resync with code %s (%v); want %s", resync.Code, resync, code)
			}
			return
		}
		if err != nil {
			r.t.Fatalf("waiting for a resync: %v; status %+v\n%s", err, r.reader.Status(), r.lines)
		}
	}
}

// slot is the row of the reader's slot, nil if there is none.
func (r *reading) slot() *Slot {
	r.t.Helper()
	slot, err := findSlot(context.Background(), r.db.Pool, r.reader.config.Slot)
	if err != nil {
		r.t.Fatal(err)
	}
	return slot
}

// metric is the value of a counter or gauge; label is that of its only label,
// "" if it has none.
func (r *reading) metric(name, label string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := m.GetLabel()
			if family.GetName() == name && (len(labels) == 0 && label == "" || len(labels) == 1 && labels[0].GetValue() == label) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	r.t.Fatalf("there is no metric %s{%q}", name, label)
	return 0
}

// describeChange writes a change as "INSERT orders 1 apple"; old values
// come behind "was", absent ones as "-".
func describeChange(c *wal.Change) string {
	words := []string{c.Operation.String()}
	switch c.Operation {
	case wal.Commit:
	case wal.Message:
		words = append(words, c.Prefix, c.Content)
	default:
		words = append(words, c.Relation.Table)
	}
	words = append(words, rowWords(c.New)...)
	if c.Operation == wal.Delete || c.Operation == wal.Update && c.Relation.ReplicaIdentity == wal.IdentityFull {
		words = append(append(words, "was"), rowWords(c.Old)...)
	}
	return strings.Join(words, " ")
}

func rowWords(row wal.Row) []string {
	words := make([]string, len(row))
	for i, v := range row {
		switch v.Kind {
		case wal.Absent:
			words[i] = "-"
		case wal.Null:
			words[i] = "null"
		case wal.Text:
			words[i] = v.Text
		}
	}
	return words
}
