package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// standBy starts a reader of a slot that another process has, and returns once it waits.
func standBy(t *testing.T, db *devdb.DB, options ...option) *reading {
	t.Helper()
	r := runReader(t, db, holding(), options...)
	r.waitStandingBy()
	return r
}

func (r *reading) waitStandingBy() {
	r.t.Helper()
	r.until("standing by", func() bool { return r.reader.Status().Role == RoleStandby })
}

// told is how often the reader has logged a text.
func (r *reading) told(text string) int { return strings.Count(r.lines.String(), text) }

// wantTakeover waits until the reader has taken over, and looks at what it says.
func (r *reading) wantTakeover() {
	r.t.Helper()
	r.waitStreaming()
	r.until("the takeover to be logged", func() bool { return r.told("taken over: ") == 1 })
	for _, line := range []string{"standing by: ", "slot is free: taking over", "replication started"} {
		if got := r.told(line); got != 1 {
			r.t.Errorf("%q is logged %d times; want once\n%s", line, got, r.lines)
		}
	}
	if s := r.reader.Status(); s.Role != RoleReader || s.Holder != "" {
		r.t.Errorf("status %+v after the takeover; want role reader", s)
	}
	if got := r.metric("walcast_replication_takeovers_total", ""); got != 1 {
		r.t.Errorf("%v takeovers are counted; want 1", got)
	}
	if got := r.metric("walcast_replication_standby", ""); got != 0 {
		r.t.Errorf("walcast_replication_standby = %v; want 0", got)
	}
}

// quick shortens what a standby waits for.
func quick(s *setup) {
	s.timing.successionTiming = successionTiming{look: 10 * time.Millisecond, precedence: 300 * time.Millisecond, idle: time.Second, comeback: 3 * time.Second}
}

// withPool gives a reader connections of its own.
func withPool(t *testing.T, db *devdb.DB) option {
	return func(s *setup) { s.pool = poolOf(t, db.DSN) }
}

func poolOf(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestAStandbyWaitsWithoutChangingAnythingAndTakesOver(t *testing.T) {
	t.Parallel()
	db := orders(t)
	first := startReader(t, db, holding())
	db.Exec(`insert into orders values (1, 'a')`)
	first.want("INSERT orders 1 a")
	before := first.slot()

	var notices []string
	second := standBy(t, db, func(s *setup) {
		s.config.Heartbeat = time.Second
		s.config.StandsBy = func() { notices = append(notices, "stands by") }
		s.config.SlotHeld = func(succeeds bool) { notices = append(notices, fmt.Sprintf("held, succeeds %v", succeeds)) }
	})
	s := second.reader.Status()
	if want := "is read by " + before.Holder.String(); s.Holder != want || s.Streaming || s.Error != "" {
		t.Errorf("status %+v; want that the slot %s", s, want)
	}
	if got := second.metric("walcast_replication_standby", ""); got != 1 {
		t.Errorf("walcast_replication_standby = %v; want 1", got)
	}
	if after := first.slot(); after.Holder.PID != before.Holder.PID || after.Confirmed != before.Confirmed {
		t.Errorf("slot %+v while another stands by; want it as it was, %+v", after, before)
	}
	if !ownsLock(t, db, first) {
		t.Error("the first has lost the slot lock")
	}
	db.Exec(`insert into orders values (2, 'b')`)
	first.want("INSERT orders 2 b")
	first.stop()
	second.wantTakeover()
	second.want("INSERT orders 1 a", "INSERT orders 2 b")
	if len(notices) != 2 || notices[0] != "stands by" || notices[1] != "held, succeeds true" {
		t.Errorf("notices %q; want that it stands by, then that it holds the slot and succeeds another", notices)
	}
	if !ownsLock(t, db, second) {
		t.Error("the second has not got the slot lock")
	}
}

// ownsLock reports whether a reader's control connection has the slot lock, and no
// place in the line.
func ownsLock(t *testing.T, db *devdb.DB, r *reading) bool {
	t.Helper()
	r.reader.control.mu.Lock()
	defer r.reader.control.mu.Unlock()
	return controlPID(t, db) == int32(r.reader.control.conn.Conn().PgConn().PID()) && !r.reader.control.inLine
}

// TestAStandbyWaitsForAnyProgram and says which one has the slot.
func TestAStandbyWaitsForAnyProgram(t *testing.T) {
	t.Parallel()
	db := orders(t)
	conn := holdSlot(t, db)
	r := standBy(t, db)
	want := fmt.Sprintf(`is read by process %d, application_name "somebody"`, conn.PID())
	if s := r.reader.Status(); s.Holder != want {
		t.Errorf("status says that the slot %s; want %s", s.Holder, want)
	}
	closeQuietly(conn)
	r.wantTakeover()
}

// TestAStandbyGivesTheSlotLockBack if somebody without it was faster: the lock is for who
// reads the slot.
func TestAStandbyGivesTheSlotLockBack(t *testing.T) {
	t.Parallel()
	db := orders(t)
	s := quickSetup(db)
	r, err := newReader(s.config, s.timing, changelog.New(holding()), s.pool, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	defer r.control.close(t.Context())
	server, err := r.preflight(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	looks := func(want bool) {
		t.Helper()
		if free, err := r.slot.succession.look(t.Context(), server, false); err != nil || free != want {
			t.Fatalf("look = %v, %v; want %v", free, err, want)
		}
	}
	looks(true)
	if controlPID(t, db) == 0 {
		t.Fatal("nobody has the slot lock")
	}
	conn := holdSlot(t, db)
	looks(false)
	if pid := controlPID(t, db); pid != 0 {
		t.Errorf("process %d has the slot lock; want nobody", pid)
	}
	closeQuietly(conn)
	waitFor(t, "the slot to be free", func() bool {
		slot, err := findSlot(t.Context(), db.Pool, db.Name)
		return err == nil && slot.Holder == nil
	})
	looks(true)
}

// TestStandbysTakeOverInTheOrderInWhichTheyCame though the second looks much more often.
func TestStandbysTakeOverInTheOrderInWhichTheyCame(t *testing.T) {
	t.Parallel()
	db := orders(t)
	readers := []*reading{startReader(t, db, holding())}
	for i, look := range []time.Duration{200, 50, 2} {
		r := standBy(t, db, quick, withPool(t, db), func(s *setup) { s.timing.look = look * time.Millisecond })
		r.until("it to be in line", func() bool { return standbys(t, db) == i+1 })
		moment := databaseTime(t, db)
		r.until("a tenth of a second to pass", func() bool { return databaseTime(t, db) > moment+0.1 })
		readers = append(readers, r)
	}
	for i, r := range readers[1:] {
		readers[i].stop()
		r.wantTakeover()
		for _, other := range readers[i+2:] {
			if s := other.reader.Status(); s.Role != RoleStandby {
				t.Errorf("after takeover %d a later standby has the status %+v; want it to stand by", i+1, s)
			}
		}
	}
	if n := standbys(t, db); n != 0 {
		t.Errorf("%d are in line at the end; want none", n)
	}
}

// standbys is how many are in line for the slot.
func standbys(t *testing.T, db *devdb.DB) (n int) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), aheadQuery, db.Name, int64(1<<31)).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func databaseTime(t *testing.T, db *devdb.DB) (seconds float64) {
	t.Helper()
	if err := db.Pool.QueryRow(t.Context(), `select extract(epoch from clock_timestamp())::float8`).Scan(&seconds); err != nil {
		t.Fatal(err)
	}
	return seconds
}

// TestAReaderGetsItsSlotBackThoughOthersStandBy when only its stream is cut: it has the
// slot lock.
func TestAReaderGetsItsSlotBackThoughOthersStandBy(t *testing.T) {
	t.Parallel()
	db := orders(t)
	first := startReader(t, db, holding())
	second := standBy(t, db, quick, func(s *setup) { s.timing.idle = patience })
	for i := range 5 {
		since := first.reader.Status().Since
		db.Exec(`select pg_terminate_backend($1)`, first.slot().Holder.PID)
		first.until("a new stream", func() bool { s := first.reader.Status(); return s.Streaming && s.Since.After(since) })
		db.Exec(`insert into orders values ($1, 'x')`, i)
		first.want(fmt.Sprintf("INSERT orders %d x", i))
	}
	if s := second.reader.Status(); s.Role != RoleStandby {
		t.Errorf("the second has the status %+v; want it to stand by", s)
	}
}

// TestAStandbyTakesOverFromAProcessThatHasTheLockAndDoesNotRead as when it is frozen, and
// Postgres has cut its stream. What has lost the slot says so.
func TestAStandbyTakesOverFromAProcessThatHasTheLockAndDoesNotRead(t *testing.T) {
	t.Parallel()
	db := orders(t)
	first := startReader(t, db, holding(), func(s *setup) {
		s.timing.retryFirst, s.timing.retryMost = 4*time.Second, 4*time.Second // it might as well be frozen
	})
	second := standBy(t, db, quick)
	frozen := controlPID(t, db)
	db.Exec(`select pg_terminate_backend($1)`, first.slot().Holder.PID)
	second.wantTakeover()
	if pid := controlPID(t, db); pid == frozen || pid == 0 {
		t.Errorf("process %d has the slot lock, %d had it before; want it to be the second's", pid, frozen)
	}
	if err := first.wait(); !errors.Is(err, ErrTakenOver) || !strings.Contains(err.Error(), second.reader.slot.application) {
		t.Errorf("Run of the first = %v; want ErrTakenOver, and by whom", err)
	}
	db.Exec(`insert into orders values (1, 'a')`)
	second.want("INSERT orders 1 a")
	if !second.reader.SlotIsTaken(t.Context()) && first.reader.SlotIsTaken(t.Context()) {
		return
	}
	t.Error("SlotIsTaken is not true of the first alone")
}

// TestASessionThatMayNotBeEndedDoesNotKeepAStandbyWaiting: it belongs to another role.
func TestASessionThatMayNotBeEndedDoesNotKeepAStandbyWaiting(t *testing.T) {
	t.Parallel()
	db := orders(t)
	other, err := pgx.Connect(t.Context(), db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.WithoutCancel(t.Context()))
	if _, err := other.Exec(t.Context(), lockQuery, db.Name); err != nil {
		t.Fatal(err)
	}
	url := as(t, db, role(t, db, "replication"))
	r := standBy(t, db, quick, func(s *setup) { s.config.DatabaseURL, s.pool = url, poolOf(t, url) })
	if s := r.reader.Status(); s.Holder != "is about to be read by another process" {
		t.Errorf("status %+v; want that another process has the lock", s)
	}
	r.wantTakeover()
}

// TestAfterARestartOfPostgresTheReaderComesFirst though the standby is back sooner.
func TestAfterARestartOfPostgresTheReaderComesFirst(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	first := startReader(t, db, holding(), func(s *setup) { s.timing.retryFirst, s.timing.retryMost = time.Second, time.Second })
	second := standBy(t, db, quick, withPool(t, db), func(s *setup) { s.timing.comeback = patience })
	since := first.reader.Status().Since
	db.StopServer()
	second.until("the outage to be told", func() bool { s := second.reader.Status(); return s.Error != "" && s.Role == RoleStandby })
	db.StartServer()
	first.until("a new stream", func() bool { s := first.reader.Status(); return s.Streaming && s.Since.After(since) })
	second.until("the end of the outage to be told", func() bool { s := second.reader.Status(); return s.Error == "" && s.Role == RoleStandby })
	db.Exec(`insert into orders values (1, 'a')`)
	first.want("INSERT orders 1 a")
	second.until("it to be in line again", func() bool { return standbys(t, db) == 1 })
}

// TestAfterARestartOfPostgresAStandbyTakesOverFromAReaderThatIsGone once that had its time.
func TestAfterARestartOfPostgresAStandbyTakesOverFromAReaderThatIsGone(t *testing.T) {
	t.Parallel()
	db := ownServer(t, nil)
	first := startReader(t, db, holding())
	second := standBy(t, db, quick, withPool(t, db), func(s *setup) { s.timing.comeback = 500 * time.Millisecond })
	db.StopServer()
	first.stop()
	db.StartServer()
	second.wantTakeover()
}

func TestAStandbyThatIsStoppedLeavesNothing(t *testing.T) {
	t.Parallel()
	db := orders(t)
	first := startReader(t, db, holding())
	second := standBy(t, db)
	second.until("it to be in line", func() bool { return standbys(t, db) == 1 })
	if err := second.stop(); err != nil {
		t.Errorf("Run = %v; want nil", err)
	}
	if n := standbys(t, db); n != 0 {
		t.Errorf("%d are in line; want none", n)
	}
	db.Exec(`insert into orders values (1, 'a')`)
	first.want("INSERT orders 1 a")
}

// TestWhatCannotTakeOverIsAFatalSentence: other publications, another database.
func TestWhatCannotTakeOverIsAFatalSentence(t *testing.T) {
	t.Parallel()
	db, other := orders(t), orders(t)
	db.Exec(`create publication second for table orders`)
	db.Exec(`create publication optional for table orders`)
	startReader(t, db, holding(), func(s *setup) {
		s.config.Publications, s.config.OptionalPublications = []string{"second", "pub"}, []string{"optional"}
	})
	r := runReader(t, db, holding(), func(s *setup) { s.config.OptionalPublications = []string{"optional"} })
	want := ` for publication pub,second, and this process is to read pub from it: set publication to the same, or set slot to another name`
	if err := r.wait(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run with other publications = %v; want …%s", err, want)
	}
	r = runReader(t, other, holding(), func(s *setup) { s.config.Slot = db.Name })
	want = fmt.Sprintf(`slot %q belongs to database %q, not %q: set slot to another name`, db.Name, db.Name, other.Name)
	if err := r.wait(); err == nil || err.Error() != want {
		t.Errorf("Run in another database = %v; want %s", err, want)
	}
	standBy(t, db, func(s *setup) { // the order does not matter, nor what is optional
		s.config.Publications, s.config.OptionalPublications = []string{"pub", "second"}, []string{"optional"}
	})
}
