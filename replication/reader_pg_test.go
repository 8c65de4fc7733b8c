package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
	"walcast/replication/wal"
)

// orders is a database with a table, published as "pub".
func orders(t *testing.T) *devdb.DB {
	t.Helper()
	db := devdb.Open(t)
	createOrders(db)
	return db
}

func createOrders(db *devdb.DB) {
	db.Exec(`create table orders (id int primary key, item text); create publication pub for table orders`)
}

// positionsOf lists the positions of changes.
func positionsOf(changes []*wal.Change) []wal.Position {
	all := make([]wal.Position, len(changes))
	for i, c := range changes {
		all[i] = c.Position
	}
	return all
}

func TestReaderStreamsInCommitOrder(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'apple'), (2, 'pear')`)
	db.Exec(`update orders set item = 'plum' where id = 2`)
	db.Exec(`delete from orders where id = 1`)
	db.Exec(`truncate orders`)
	changes := r.want("INSERT orders 1 apple", "INSERT orders 2 pear", "UPDATE orders 2 plum", "DELETE orders was 1 -", "TRUNCATE orders")
	if !slices.IsSortedFunc(changes, func(a, b *wal.Change) int { return a.Position.Compare(b.Position) }) {
		t.Errorf("positions are not sorted: %v", positionsOf(changes))
	}
	if err := r.stop(); err != nil {
		t.Errorf("Run = %v after it was stopped; want nil", err)
	}
}

func TestReaderLeavesOutWhatWasRolledBack(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`begin; insert into orders values (1); rollback`)
	db.Exec(`begin; insert into orders values (2); savepoint s; insert into orders values (3); rollback to s; insert into orders values (4); commit`)
	r.want("INSERT orders 2 null", "INSERT orders 4 null")
}

// untilLast returns what comes up to the end of the transaction of the order with
// the number last, the ends of transactions too.
func (r *reading) untilLast(last string) (lines []string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for seen := false; ; {
		changes, err := r.cursor.Next(ctx, 0)
		if err != nil {
			r.t.Fatalf("after %q: %v\n%s", lines, err, r.lines)
		}
		for _, c := range changes {
			lines = append(lines, fmt.Sprint(c.Position, " ", c.XID, " ", describeChange(c)))
			seen = seen || strings.HasPrefix(describeChange(c), "INSERT orders "+last+" ")
			if seen && c.Operation == wal.Commit {
				return lines
			}
		}
	}
}

// A consumer that goes on inside of a transaction gets its end, whatever happened
// to the connection, to the server or to the process meanwhile.
func TestTheEndOfATransactionIsTheSameAfterEveryRestart(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	r := startReader(t, db, holding())
	db.Exec(`select pg_logical_emit_message(true, 'walcast', 'alone')`)
	db.Exec(`begin; insert into orders values (1); savepoint s; insert into orders values (2); rollback to s; insert into orders values (3); commit`)
	db.Exec(`begin; select pg_logical_emit_message(true, 'another tool', 'x'); insert into orders values (4); select pg_logical_emit_message(true, 'another tool', 'x'); commit`)
	db.Exec(`begin; insert into orders values (5); rollback`)
	db.Exec(`truncate orders`)
	db.Exec(`insert into orders select n, 'large' from generate_series(100, 3000) n`)
	db.Exec(`insert into orders values (9)`)
	want := r.untilLast("9")
	var kinds []string
	for _, line := range want {
		kinds = append(kinds, strings.Fields(line)[2])
	}
	if got := strings.Join(kinds[:8], " "); got != "MESSAGE INSERT INSERT COMMIT INSERT COMMIT TRUNCATE COMMIT" {
		t.Fatalf("before the large transaction came %s", got)
	}
	if last := want[len(want)-3]; !strings.HasSuffix(last, ":2901 "+strings.Fields(last)[1]+" COMMIT") {
		t.Errorf("the large transaction ends with %s; want a COMMIT after its 2901 rows", last)
	}
	if n := r.metric("walcast_replication_log_changes", ""); n != float64(1+2+1+1+2901+1) {
		t.Errorf("the log is said to have %v changes; want 2907, without the ends of transactions", n)
	}
	position, err := wal.ParsePosition(strings.Fields(want[len(want)-4])[0])
	if err != nil {
		t.Fatal(err)
	}
	after := func(r *reading) string {
		r.t.Helper()
		cursor, err := r.log.After(r.t.Context(), position)
		if err != nil {
			r.t.Fatal(err)
		}
		changes, err := cursor.Next(r.t.Context(), 1)
		if err != nil {
			r.t.Fatal(err)
		}
		return fmt.Sprint(changes[0].Position, " ", changes[0].XID, " ", describeChange(changes[0]))
	}
	if got := after(r); got != want[len(want)-3] {
		t.Errorf("after the large transaction's last row comes %s; want %s", got, want[len(want)-3])
	}
	db.Server.Kill()
	db.StartServer()
	db.Exec(`insert into orders values (10)`)
	r.want("INSERT orders 10 null") // nothing was read twice
	r.stop()
	again := startReader(t, db, holding())
	if diff := cmp.Diff(want, again.untilLast("9")); diff != "" {
		t.Errorf("it is read otherwise after a restart (-before +after):\n%s", diff)
	}
	if got := after(again); got != want[len(want)-3] {
		t.Errorf("after a restart %s follows the large transaction's last row; want %s", got, want[len(want)-3])
	}
}

func TestReaderDeliversALargeTransactionWholeAndInOrder(t *testing.T) {
	t.Parallel()
	const rows = 10_000
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders select n, 'item ' || n from generate_series(1, $1::int) n`, rows)
	db.Exec(`insert into orders values (0, 'after')`)
	changes := r.next(rows + 1)
	for i, c := range changes[:rows] {
		if want := fmt.Sprintf("INSERT orders %d item %d", i+1, i+1); describeChange(c) != want ||
			c.Position.Seq != uint32(i) || c.Position.LSN != changes[0].Position.LSN {
			t.Fatalf("change %d = %s at %s; want %s", i, describeChange(c), c.Position, want)
		}
	}
	if last := changes[rows]; describeChange(last) != "INSERT orders 0 after" {
		t.Errorf("then comes %s", describeChange(last))
	}
}

func TestPositionsAreTheSameAfterAReconnect(t *testing.T) {
	t.Parallel()
	db := orders(t)
	first := startReader(t, db, holding())
	db.Exec(`insert into orders select n from generate_series(1, 5) n`)
	db.Exec(`update orders set item = 'x'`)
	db.Exec(`delete from orders where id > 3`)
	want := positionsOf(first.next(12))
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := startReader(t, db, holding()) // the window has everything still
	if diff := cmp.Diff(want, positionsOf(second.next(12))); diff != "" {
		t.Errorf("positions differ after a restart (-before +after):\n%s", diff)
	}
}

func TestKilledReaderReadsTheWindowAgain(t *testing.T) {
	t.Parallel()
	db := orders(t)
	p := newProxy(t, db)
	first := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	db.Exec(`insert into orders values (1, 'a')`)
	db.Exec(`insert into orders values (2, 'b'), (3, 'c')`)
	want := first.want("INSERT orders 1 a", "INSERT orders 2 b", "INSERT orders 3 c")
	p.stall(true) // nothing of what it says when it is stopped arrives
	first.cancel()
	p.cut()
	if err := first.wait(); err != nil {
		t.Fatal(err)
	}
	p.stall(false)
	db.Exec(`insert into orders values (4, 'd')`)
	second := startReader(t, db, holding())
	got := second.want("INSERT orders 1 a", "INSERT orders 2 b", "INSERT orders 3 c", "INSERT orders 4 d")
	if diff := cmp.Diff(positionsOf(want), positionsOf(got[:3])); diff != "" {
		t.Errorf("positions differ after the kill (-before +after):\n%s", diff)
	}
}

// TestNothingIsLostOrRepeatedUnderBlows breaks the connection again and again
// while transactions of several rows are written.
func TestNothingIsLostOrRepeatedUnderBlows(t *testing.T) {
	t.Parallel()
	const transactions, size = 400, 5
	db := orders(t)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	written := make(chan error, 1)
	go func() {
		for i := range transactions {
			if _, err := db.Pool.Exec(t.Context(), `insert into orders select g from generate_series($1::int, $2::int) g`, i*size, i*size+size-1); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	var since time.Time
	blow := func() {
		r.until("a new stream", func() bool { s := r.reader.Status(); return s.Streaming && s.Since.After(since) })
		since = r.reader.Status().Since
		p.cut()
	}
	blows := 0
	for id := 0; id < transactions*size; {
		if id >= blows*transactions {
			blow()
			blows++
		}
		for _, c := range r.next(1) {
			if want := fmt.Sprintf("INSERT orders %d null", id); describeChange(c) != want {
				t.Fatalf("change %d = %s; want %s", id, describeChange(c), want)
			}
			id++
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	r.until("each blow to be counted", func() bool { return r.metric("walcast_replication_reconnects_total", causeNetwork) >= float64(blows) })
}

func TestReaderResumesAfterItsServerProcessIsEnded(t *testing.T) {
	t.Parallel()
	for _, blow := range []string{"pg_terminate_backend", "pg_cancel_backend"} {
		t.Run(blow, func(t *testing.T) {
			db := orders(t)
			r := startReader(t, db, holding())
			for i := 1; i <= 3; i++ {
				db.Exec(`insert into orders values ($1)`, i)
				r.want(fmt.Sprintf("INSERT orders %d null", i))
				since := r.reader.Status().Since
				db.Exec(`select `+blow+`(active_pid) from pg_replication_slots where slot_name = $1`, db.Name)
				r.until("a new stream", func() bool { s := r.reader.Status(); return s.Streaming && s.Since.After(since) })
			}
			if got := r.metric("walcast_replication_reconnects_total", causeTerminated); got < 3 {
				t.Errorf("%v interruptions are counted as ended by somebody; want at least 3", got)
			}
		})
	}
}

func TestReaderEndsItsOwnStaleServerProcess(t *testing.T) {
	t.Parallel()
	db := orders(t)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) { s.config.DatabaseURL = p.url(db) })
	before := r.slot().Holder.PID
	p.vanish() // the server goes on believing in its end
	db.Exec(`insert into orders values (1, 'x')`)
	r.want("INSERT orders 1 x")
	r.until("a new walsender", func() bool { h := r.slot().Holder; return h != nil && h.PID != before })
}

func TestReaderIsNotStoppedByAnIdleServer(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding(), func(s *setup) {
		s.timing.silence = 4 * time.Second
		s.timing.ask = 200 * time.Millisecond
	})
	since := r.reader.Status().Since
	deadline, cancel := context.WithTimeout(t.Context(), 9*time.Second)
	defer cancel()
	<-deadline.Done() // idle for several times the silence that is allowed
	if s := r.reader.Status(); !s.Streaming || s.Since != since {
		t.Errorf("status %+v; want the stream that began at %v\n%s", s, since, r.lines)
	}
}

func TestTablePublishedWhileRunning(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'before')`)
	db.Exec(`create table lines (id int primary key); insert into lines values (1)`)
	db.Exec(`alter publication pub add table lines`)
	db.Exec(`insert into lines values (2)`)
	r.want("INSERT orders 1 before", "INSERT lines 2")
}

func TestColumnAddedWhileRunning(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	db.Exec(`create type mood as enum ('sad', 'ok'); alter table orders add column mood mood`)
	db.Exec(`insert into orders values (2, 'b', 'ok')`)
	changes := r.want("INSERT orders 1 a", "INSERT orders 2 b ok")
	column := changes[1].Relation.Columns[2]
	if column.Type.Kind != wal.KindEnum || !slices.Equal(column.Type.Labels, []string{"sad", "ok"}) {
		t.Errorf("the new column's type is %+v; want the enum with its labels", column.Type)
	}
}

func TestOutputDoesNotDependOnSettings(t *testing.T) {
	const row = `insert into public.values_ values (1, '2024-02-29', '2024-02-29 12:34:56.789+00', '1 year 2 mons 3 days 04:05:06.7', 1.1, 0.1, '\xdeadbeef', 12.34,
		array['2024-02-29 12:00:00+00'::timestamptz], 'public.values_')`
	read := func(t *testing.T, hostile string) string {
		db := devdb.Open(t)
		db.Exec(`create table values_ (id int primary key, d date, ts timestamptz, i interval, r real, f float8, b bytea, m money, a timestamptz[], c regclass);
			create publication pub for table values_`)
		db.Exec(strings.ReplaceAll(hostile, "DB", db.Name))
		r := startReader(t, db, holding())
		db.Exec(row)
		return describeChange(r.next(1)[0])
	}
	var plain, hostile string
	t.Run("plain", func(t *testing.T) { plain = read(t, "select 1") })
	t.Run("hostile", func(t *testing.T) {
		t.Setenv("PGOPTIONS", "-c extra_float_digits=-5 -c bytea_output=escape")
		t.Setenv("PGTZ", "Asia/Tokyo")
		hostile = read(t, `
			alter database DB set datestyle = 'German, DMY';
			alter database DB set timezone = 'Asia/Tokyo';
			alter database DB set intervalstyle = 'iso_8601';
			alter database DB set extra_float_digits = -5;
			alter database DB set bytea_output = 'escape';
			alter database DB set client_encoding = 'LATIN1';
			alter database DB set search_path = 'pg_catalog';
			alter database DB set client_min_messages = 'error'`)
	})
	want := `INSERT values_ 1 2024-02-29 2024-02-29 12:34:56.789+00 1 year 2 mons 3 days 04:05:06.7 1.1 0.1 \xdeadbeef $12.34 {"2024-02-29 12:00:00+00"} values_`
	if plain != want || hostile != want {
		t.Errorf("plain   %s\nhostile %s\nwant    %s", plain, hostile, want)
	}
}
