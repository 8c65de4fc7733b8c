package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

const (
	publication = "drill"
	shards      = 4 // 1 to 4; shard 0 is for pulses, which every client wants
)

var tables = []string{"open_rows", "guarded_rows"}

// members see the shards of guarded_rows that the table names, and shard 0.
var members = map[string][]int{
	"11111111-1111-1111-1111-111111111111": {1, 2},
	"22222222-2222-2222-2222-222222222222": {3},
}

// schema returns the statements that make the tables. The policy of the guarded
// one looks into another table: it cannot be compiled, Postgres has to be asked.
func schema() (statements []string) {
	for _, table := range tables {
		statements = append(statements,
			`create table `+table+` (id bigint primary key, writer int not null, number int not null, shard int not null, pad text)`,
			`grant select on `+table+` to anon, authenticated`)
	}
	statements = append(statements,
		`create table members (who uuid, shard int)`,
		`grant select on members to authenticated`,
		`alter table guarded_rows enable row level security`,
		`create policy members on guarded_rows for select to authenticated
			using (shard = 0 or exists (select from members m where m.shard = guarded_rows.shard and m.who = auth.uid()))`,
		`create publication `+publication+` for table `+strings.Join(tables, ", "))
	for who, list := range members {
		for _, shard := range list {
			statements = append(statements, fmt.Sprintf(`insert into members values ('%s', %d)`, who, shard))
		}
	}
	return append(statements, `select pg_create_logical_replication_slot('`+truthSlot+`', 'pgoutput')`)
}

// writer commits numbered rows in transactions of random size.
type writer struct {
	id     int
	dsn    string
	random *rand.Rand
	pause  time.Duration // between two transactions, on average
	number int           // the last that was used, committed or not
	done   atomic.Int64  // transactions that ended as they should
}

// write goes on until ctx is done, over whatever happens to Postgres.
func (w *writer) write(ctx context.Context) {
	var db *pgx.Conn
	defer func() {
		if db != nil {
			_ = db.Close(context.WithoutCancel(ctx))
		}
	}()
	for program.Wait(ctx, time.Duration(w.random.Int64N(int64(2*w.pause)))) {
		var err error
		if db == nil || db.IsClosed() {
			if db, err = pgx.Connect(ctx, w.dsn); err != nil {
				continue
			}
		}
		if err := w.transact(ctx, db); err == nil {
			w.done.Add(1)
		}
	}
}

// transact writes one transaction, of which it may think better.
func (w *writer) transact(ctx context.Context, db *pgx.Conn) error {
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	size := 1 + w.random.IntN(8)
	if w.random.IntN(60) == 0 {
		size = 700 + w.random.IntN(600) // more than the reader hands on at once
	}
	for size > 0 {
		n := min(size, 1+w.random.IntN(size))
		size -= n
		part, err := tx.Begin(ctx) // a savepoint
		if err != nil {
			return err
		}
		if err := w.statements(ctx, part, n); err != nil {
			return err
		}
		if w.random.IntN(8) == 0 {
			err = part.Rollback(ctx)
		} else {
			err = part.Commit(ctx)
		}
		if err != nil {
			return err
		}
	}
	if w.random.IntN(5) == 0 {
		return tx.Rollback(ctx)
	}
	return tx.Commit(ctx)
}

// statements inserts n rows, or updates an earlier one.
func (w *writer) statements(ctx context.Context, tx pgx.Tx, n int) error {
	table := tables[w.random.IntN(len(tables))]
	shard := 1 + w.random.IntN(shards)
	if w.random.IntN(4) == 0 && w.number > 0 {
		target := w.key(1 + w.random.IntN(w.number))
		w.number++
		_, err := tx.Exec(ctx, `update `+table+` set writer = $1, number = $2, shard = $3 where id = $4`, w.id, w.number, shard, target)
		return err
	}
	pad := 20
	if n < 10 && w.random.IntN(20) == 0 {
		pad = 20_000 // outside of the row, and unchanged by updates
	}
	first := w.number + 1
	w.number += n
	_, err := tx.Exec(ctx, `insert into `+table+` select $1::bigint << 32 | n, $1, n, 1 + (n + $4) % $5,
		(select string_agg(md5(n::text || i), '') from generate_series(1, 1 + $6 / 32) i) from generate_series($2::int, $3::int) n`,
		w.id, first, w.number, shard, shards, pad)
	return err
}

func (w *writer) key(number int) int64 { return int64(w.id)<<32 | int64(number) }

// pulse writes one row into each table that every client wants, and returns
// their numbers.
func pulse(ctx context.Context, dsn string, n int) error {
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	tx, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	for i, table := range tables {
		number := len(tables)*n + i
		if _, err := tx.Exec(ctx, `insert into `+table+` values ($1, 0, $2, 0)`, number, number); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}
