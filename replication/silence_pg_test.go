package replication

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// hasty has the silence of a stream looked into soon, and no other end of it.
func hasty(s *setup) {
	s.timing.ask, s.timing.listen, s.timing.doubt = 50*time.Millisecond, 20*time.Millisecond, 200*time.Millisecond
	s.timing.silence = time.Hour
}

// TestAStreamThatPostgresKnowsNothingOfIsLeft: an ordinary connection says that the
// walsender waits.
func TestAStreamThatPostgresKnowsNothingOfIsLeft(t *testing.T) {
	t.Parallel()
	db := orders(t)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), hasty, func(s *setup) { s.config.DatabaseURL = p.url(db) })
	p.silence(toClient)
	db.Exec(`insert into orders values (1, 'meanwhile')`)
	r.until("the stall to be noticed", func() bool { return strings.Contains(r.lines.String(), "reason=stalled") })
	p.silence(0)
	r.want("INSERT orders 1 meanwhile")
	r.waitStreaming()
}

// TestAPostgresThatDoesNotAnswerIsNotLeft, as it would not be there for a new stream
// either; but it is known not to be heard of until it is back.
func TestAPostgresThatDoesNotAnswerIsNotLeft(t *testing.T) {
	t.Parallel()
	db := orders(t)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), hasty, func(s *setup) {
		s.config.DatabaseURL, s.timing.answer = p.url(db), 300*time.Millisecond
		pool, err := pgxpool.New(t.Context(), p.url(db))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		s.pool = pool
	})
	p.stall(true)
	r.until("Postgres not to be heard of", func() bool { s := r.reader.Status(); return s.Streaming && !s.Heard.IsZero() })
	p.stall(false)
	r.until("Postgres to be heard of", func() bool { return r.reader.Status().Heard.IsZero() })
	db.Exec(`insert into orders values (1, 'after')`)
	r.want("INSERT orders 1 after")
}

// TestABusyWalsenderIsLeftAlone: while it decodes a large transaction that nobody
// reads, it says nothing.
func TestABusyWalsenderIsLeftAlone(t *testing.T) {
	t.Parallel()
	db := orders(t)
	db.Exec(`create table unread (id int, what text)`)
	r := startReader(t, db, holding(), func(s *setup) { s.timing.silence = time.Hour })
	var pid uint32
	if err := db.Pool.QueryRow(t.Context(), `select active_pid from pg_replication_slots where slot_name = $1`, db.Name).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	w := &silenceWatch{pool: db.Pool, slot: db.Name, walsender: pid, timing: defaultTiming().streamTiming}
	isBusy := func(w *silenceWatch) bool {
		busy, err := w.sound(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return busy
	}
	r.until("the walsender to wait", func() bool { return !isBusy(w) })
	if other := (&silenceWatch{pool: db.Pool, slot: db.Name, walsender: pid + 1, timing: w.timing}); isBusy(other) {
		t.Error("a walsender that has not the slot counts as busy")
	}
	if other := (&silenceWatch{pool: db.Pool, slot: "elsewhere", walsender: pid, timing: w.timing}); !isBusy(other) {
		t.Error("a server that has no such slot is believed")
	}
	db.Exec(`insert into unread select n, repeat('x', 100) from generate_series(1, 200000) n`)
	r.until("the walsender to be busy", func() bool { return isBusy(w) })
	db.Exec(`insert into orders values (1, 'after')`)
	r.want("INSERT orders 1 after")
}
