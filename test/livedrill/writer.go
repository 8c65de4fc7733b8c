package livedrill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// acks are when transactions were answered that they have committed, by their ids.
type acks struct {
	mu   sync.Mutex
	when map[uint32]int64 // Unix nanoseconds
}

func (a *acks) note(xid uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.when[xid] = time.Now().UnixNano()
}

// writer changes rows in transactions of random size.
type writer struct {
	dsn    string
	random *rand.Rand
	pause  time.Duration // between two transactions, on average
	acks   *acks
}

// write goes on until ctx is done, over whatever happens to Postgres.
func (w *writer) write(ctx context.Context) {
	connected(ctx, w.dsn, func() bool { return program.Wait(ctx, upTo(w.random, 2*w.pause)) }, w.transact)
}

// connected calls do with a connection as long as next is true.
func connected(ctx context.Context, dsn string, next func() bool, do func(context.Context, *pgx.Conn) error) {
	var db *pgx.Conn
	defer func() {
		if db != nil {
			_ = db.Close(context.WithoutCancel(ctx))
		}
	}()
	for next() {
		if db == nil || db.IsClosed() {
			var err error
			if db, err = pgx.Connect(ctx, dsn); err != nil {
				continue
			}
		}
		if do(ctx, db) != nil {
			_, _ = db.Exec(ctx, "rollback")
		}
	}
}

// transact writes one transaction, of which it may think better.
func (w *writer) transact(ctx context.Context, db *pgx.Conn) error {
	if _, err := db.Exec(ctx, "begin; set local lock_timeout = '200ms'", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	for range 1 + w.random.IntN(6) {
		sql := w.statement(pick(w.random, tables...))
		if w.random.IntN(8) == 0 {
			sql = "savepoint s; " + sql + "; rollback to s"
		}
		if _, err := db.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	if w.random.IntN(6) == 0 {
		_, err := db.Exec(ctx, "rollback")
		return err
	}
	var text string
	if err := db.QueryRow(ctx, "select pg_current_xact_id()::xid::text").Scan(&text); err != nil {
		return err
	}
	xid, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return err
	}
	if w.random.IntN(10) == 0 {
		program.Wait(ctx, upTo(w.random, 300*time.Millisecond)) // others commit meanwhile
	}
	if _, err = db.Exec(ctx, "commit"); err == nil {
		w.acks.note(uint32(xid))
	}
	return err
}

const (
	ids   = 40 // of rows, from 1 on
	rooms = 6  // from 0 on
)

// statement draws what one statement does.
func (w *writer) statement(t table) string {
	r := w.random
	id, room, amount := 1+r.IntN(ids), r.IntN(rooms), r.IntN(100)
	owner := pick(r, "null", "'"+subjects[1].sub+"'", "'"+subjects[2].sub+"'")
	note := pick(r, "null", "'x'", "'note "+strconv.Itoa(amount)+"'", "repeat('long ', 700)")
	where := pick(r, fmt.Sprintf("id = %d", id), fmt.Sprintf("id = %d", id), fmt.Sprintf("id %% 7 = %d", id%7), fmt.Sprintf("room = %d", room))
	values := fmt.Sprintf("(id, room, owner, amount, note) values (%d, %d, %s, %d, %s)", id, room, owner, amount, note)
	switch r.IntN(12) {
	case 0, 1, 2:
		return "insert into " + t.name + " " + values + " on conflict do nothing"
	case 3:
		return "insert into " + t.name + " " + values + " on conflict (" + keyList(t) + ") do update set amount = excluded.amount, owner = excluded.owner"
	case 4, 5:
		return fmt.Sprintf("update %s set amount = %d, owner = %s where %s", t.name, amount, owner, where)
	case 6:
		return fmt.Sprintf("update %s set room = %d where id = %d and not exists (select from %[1]s o where o.id = %[3]d and o.room = %[2]d)", t.name, room, id)
	case 7:
		return fmt.Sprintf("update %s set note = %s where %s", t.name, note, where)
	case 8:
		return fmt.Sprintf("update %s set id = %d where id = %d and not exists (select from %[1]s o where o.id = %[2]d)", t.name, 1+r.IntN(ids), id)
	case 9, 10: // a transfer
		return fmt.Sprintf("update %s set amount = amount + case when id = %d then 7 else -7 end where id in (%[2]d, %d)", t.name, id, 1+r.IntN(ids))
	}
	return "delete from " + t.name + " where " + where
}

func keyList(t table) string {
	if len(t.key) > 1 {
		return t.key[0] + ", " + t.key[1]
	}
	return t.key[0]
}
