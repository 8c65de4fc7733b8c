package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/replication/wal"
)

// soon is generous for what takes a second at most: the machine may be busy.
const soon = 10 * time.Second

const room = "realtime:room"

// whole is a client that is joined to all messages, by transactions.
func whole(t *testing.T, s *running) *client {
	t.Helper()
	c := s.dial(t, "2.0.0")
	c.joinWith(room, everything)
	return c
}

func TestProgressAnswersWhenATransactionHasBeenSent(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"max_prepared_transactions": "5"}})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	db.Exec(`create table unpublished (id int)`)
	s := startServer(t, configFor(db))
	c := whole(t, s)
	for name, test := range map[string]struct {
		statements []string
		want       []string
	}{
		"rows":             {[]string{`insert into messages values (1, 1), (2, 1)`}, []string{"INSERT 1", "INSERT 2", "END"}},
		"with a savepoint": {[]string{`savepoint s`, `insert into messages values (3, 1)`, `release s`}, []string{"INSERT 3", "END"}},
		"no row":           {nil, nil},
		"unpublished rows": {[]string{`insert into unpublished values (1)`}, nil},
		"all rolled back":  {[]string{`savepoint s`, `insert into messages values (4, 1)`, `rollback to s`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			xid := transaction(t, db, test.statements...)
			began := time.Now()
			c.ask(room, "7", fmt.Sprintf(`{"xid":%d}`, xid))
			before, answer := c.awaitProgress("7")
			within(t, "the answer", began, soon)
			if got := slices.Sorted(slices.Values(linesOf(before))); !slices.Equal(got, slices.Sorted(slices.Values(append(test.want, "REPLY ok")))) {
				t.Errorf("before the answer came %q; want %q and the reply", got, test.want)
			}
			if !seen(t, db, answer.snapshot, xid) {
				t.Errorf("the snapshot %s does not see %d", answer.snapshot, xid)
			}
		})
	}
}

func linesOf(all []event) (lines []string) {
	for _, e := range all {
		lines = append(lines, e.line)
	}
	return lines
}

// seen reports whether a snapshot sees a transaction.
func seen(t *testing.T, db *devdb.DB, snapshot string, xid uint32) (sees bool) {
	t.Helper()
	err := db.Pool.QueryRow(t.Context(), `select pg_visible_in_snapshot($1::text::xid8, $2::text::pg_snapshot)`, fmt.Sprint(xid), snapshot).Scan(&sees)
	if err != nil {
		t.Fatalf("read the snapshot %q: %v", snapshot, err)
	}
	return sees
}

// While a transaction is under way the question for it waits, others do not; that it
// has written something that nobody flushes keeps no answer back.
func TestProgressWaitsForATransactionUnderWay(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"max_prepared_transactions": "5"}})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	s := startServer(t, configFor(db))
	c := whole(t, s)
	for name, end := range map[string]string{
		"committed": `commit`, "committed asynchronously": `set local synchronous_commit = off; commit`, "rolled back": `rollback`,
		"prepared": `prepare transaction 'it'`,
	} {
		t.Run(name, func(t *testing.T) {
			db.Exec(`truncate messages`)
			c.wantEvents() // truncates are not asked for
			conn, err := pgx.Connect(t.Context(), db.DSN)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			var xid uint32
			if err := conn.QueryRow(t.Context(), `begin; insert into messages select n, 2, repeat('x', 100) from generate_series(1, 3) n`, pgx.QueryExecModeSimpleProtocol).Scan(); err != nil && !errors.Is(err, pgx.ErrNoRows) {
				t.Fatal(err)
			}
			if err := conn.QueryRow(t.Context(), `select pg_current_xact_id()::xid::text::bigint`).Scan(&xid); err != nil {
				t.Fatal(err)
			}
			c.ask(room, "7", fmt.Sprintf(`{"xid":%d}`, xid))
			c.wantEvents("REPLY ok")
			began := time.Now()
			c.ask(room, "8", `{}`)
			before, answer := c.awaitProgress("8")
			within(t, "the answer beside a transaction under way", began, soon)
			if lines := linesOf(before); !slices.Equal(lines, []string{"REPLY ok"}) || seen(t, db, answer.snapshot, xid) {
				t.Errorf("before it came %q, and its snapshot is %s; want the reply, and that %d is not seen", lines, answer.snapshot, xid)
			}
			if _, err := conn.Exec(t.Context(), end, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			if name == "prepared" {
				c.ask(room, "9", `{}`)
				c.awaitProgress("9")
				db.Exec(`commit prepared 'it'`)
			}
			ended := time.Now()
			before, answer = c.awaitProgress("7")
			within(t, "the answer after the end", ended, soon)
			want := []string{"INSERT 1", "INSERT 2", "INSERT 3", "END"}
			if name == "rolled back" {
				want = nil
			}
			if lines := linesOf(before); !slices.Equal(lines, want) || !seen(t, db, answer.snapshot, xid) {
				t.Errorf("before the answer came %q, and its snapshot is %s; want %q, and that %d is seen", lines, answer.snapshot, want, xid)
			}
		})
	}
}

func TestProgressUpToAPosition(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := whole(t, s)
	db.Exec(`insert into messages values (1, 1), (2, 1)`)
	came := c.wantEvents("INSERT 1", "INSERT 2", "END")
	for _, e := range came {
		c.ask(room, "7", fmt.Sprintf(`{"position":%q}`, e.position))
		if before, answer := c.awaitProgress("7"); len(before) != 1 || before[0].line != "REPLY ok" || answer.position == "" || answer.snapshot == "" {
			t.Errorf("at %s came %+v and %+v; want the reply, and the answer with position and snapshot", e.line, before, answer)
		}
	}
	lsn, _, _ := strings.Cut(came[0].position, ":")
	goal := later(t, db, lsn) + ":0"
	c.ask(room, "9", fmt.Sprintf(`{"position":%q}`, goal))
	c.wantEvents("REPLY ok")
	c.ask(room, "10", `{}`)
	if before, _ := c.awaitProgress("10"); len(before) != 1 {
		t.Errorf("before a position that is still to come is answered came %+v", before)
	}
	const rows = 300
	for n := range rows {
		db.Exec(`insert into messages values ($1, 1)`, 10+n)
	}
	before, answer := c.awaitProgress("9")
	if order(t, answer.position, goal) < 0 || len(before) == 0 || len(before) == 2*rows {
		t.Errorf("the answer came at %s after %d events; want it at %s, amid the rows", answer.position, len(before), goal)
	}
	for range 2*rows - len(before) {
		if e := c.event(); order(t, e.position, goal) <= 0 {
			t.Errorf("after the answer came %s at %s; want all up to %s before", e.line, e.position, goal)
		}
	}
}

// order is negative if position a is before b.
func order(t *testing.T, a, b string) int {
	t.Helper()
	x, err1 := wal.ParsePosition(a)
	y, err2 := wal.ParsePosition(b)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return x.Compare(y)
}

// later is an LSN that the WAL has not reached yet.
func later(t *testing.T, db *devdb.DB, lsn string) (later string) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), `select ($1::text::pg_lsn + 20000)::text`, lsn).Scan(&later); err != nil {
		t.Fatal(err)
	}
	return later
}

func TestProgressRefusesWhatCannotBeAwaited(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := whole(t, s)
	var next uint32
	if err := db.Pool.QueryRow(t.Context(), `select pg_snapshot_xmax(pg_current_snapshot())::xid::text::bigint`).Scan(&next); err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{
		`{"xid":"759"}`, `{"xid":0}`, `{"xid":1}`, `{"xid":2}`, `{"xid":-1}`, `{"xid":1.5}`, `{"position":"nowhere"}`, `{"position":7}`, `{"xid":1,"position":"0/1:0"}`,
		`{"more":1}`, `[]`, `null`, `7`, fmt.Sprintf(`{"xid":%d}`, next+1000), fmt.Sprintf(`{"xid":%d}`, next+3_000_000_000),
	} {
		c.ask(room, "7", payload)
		if e := c.event(); e.line != "REPLY error" || e.reason == "" {
			t.Errorf("progress %s = %+v; want an error with a reason", payload, e)
		}
	}
	c.ask(room, strings.Repeat("7", 1000), `{}`)
	c.wantEvents("REPLY error")
	for i := range 100 {
		c.ask(room, fmt.Sprint(i), `{"position":"FF/0:0"}`)
		c.wantEvents("REPLY ok")
	}
	c.ask(room, "100", `{}`)
	if e := c.wantEvents("REPLY error")[0]; !strings.Contains(e.reason, "100") {
		t.Errorf("the question beyond the limit is refused with %q; want the limit in it", e.reason)
	}
	other := s.dial(t, "2.0.0")
	other.joinWith(room, everything)
	other.ask(room, "1", `{}`)
	other.awaitProgress("1")
	c.send("2", room, "phx_leave", `{}`)
	c.wantEvents("REPLY ok")
	c.joinWith(room, everything)
	c.ask(room, "1", `{}`)
	c.awaitProgress("1")
}

func TestProgressWaitsWhileTheDatabaseIsAway(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	s := startServer(t, configFor(db))
	c := whole(t, s)
	xid := transaction(t, db, `insert into messages values (1, 1)`)
	c.wantEvents("INSERT 1", "END")
	db.StopServer()
	c.ask(room, "7", fmt.Sprintf(`{"xid":%d}`, xid))
	c.ask(room, "8", `{}`)
	c.wantEvents("REPLY ok", "REPLY ok")
	db.StartServer()
	c.awaitProgress("7")
	c.awaitProgress("8")
}

// Clients ask again and again while many write, in all ways that there are. What had
// been committed before the question, or is seen by the snapshot of the answer, has
// come before the answer.
func TestAllThatWasCommittedBeforeTheQuestionComesBeforeItsAnswer(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := whole(t, s)
	w := startWriters(t, db)
	had := map[int]bool{}
	missing := func(rows map[int]uint32, counts func(xid uint32) bool) (n int) {
		for row, xid := range rows {
			if !had[row] && counts(xid) {
				n++
			}
		}
		return n
	}
	for ask := range 60 {
		w.more()
		before := w.committed()
		ref := fmt.Sprint("q", ask)
		c.ask(room, ref, `{}`)
		came, answer := c.awaitProgress(ref)
		for _, e := range came {
			var n int
			if _, err := fmt.Sscanf(e.line, "INSERT %d", &n); err == nil {
				had[n] = true
			}
		}
		if n := missing(before, func(uint32) bool { return true }); n > 0 {
			t.Fatalf("%d of %d rows that were committed before question %d had not come before its answer", n, len(before), ask)
		}
		if n := missing(w.committed(), func(xid uint32) bool { return seen(t, db, answer.snapshot, xid) }); n > 0 {
			t.Fatalf("%d rows that the snapshot %s sees had not come before the answer", n, answer.snapshot)
		}
	}
	if len(had) < 60 {
		t.Errorf("only %d rows came; want that much is written meanwhile", len(had))
	}
}

// manyWriters commit rows with different synchronous_commit, one a transaction.
type manyWriters struct {
	due chan struct{} // has a token for each row that is to be written

	mu   sync.Mutex
	rows map[int]uint32 // those that were committed, with their transactions
}

func (w *manyWriters) committed() map[int]uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.rows)
}

// more has so many rows written from now on that the client can read them.
func (w *manyWriters) more() {
	for {
		select {
		case w.due <- struct{}{}:
		default:
			return
		}
	}
}

// startWriters has three of them write until the test ends.
func startWriters(t *testing.T, db *devdb.DB) *manyWriters {
	w := &manyWriters{rows: map[int]uint32{}, due: make(chan struct{}, 100)}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	t.Cleanup(func() {
		stop()
		writing.Wait()
	})
	for first := range 3 {
		writing.Go(func() {
			for n := first; ; n += 3 {
				select {
				case <-w.due:
				case <-ctx.Done():
					return
				}
				xid, err := insertOne(ctx, db, n)
				if err == nil {
					w.mu.Lock()
					w.rows[n] = xid
					w.mu.Unlock()
				}
			}
		})
	}
	return w
}

func insertOne(ctx context.Context, db *devdb.DB, n int) (xid uint32, err error) {
	err = pgx.BeginFunc(ctx, db.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local synchronous_commit = "+[]string{"on", "off", "local"}[n%3]); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `insert into messages values ($1, 1) returning pg_current_xact_id()::xid::text::bigint`, n).Scan(&xid)
	})
	return xid, err
}
