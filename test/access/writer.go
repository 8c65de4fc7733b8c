package access

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// filling makes a value too large to stay in its row.
var filling = strings.Repeat("x", 3000)

// writer commits rows: short transactions that insert, update and delete.
type writer struct {
	world  *world
	random *rand.Rand
	db     *pgx.Conn
	ledger *ledger
	next   int           // the last id that was used
	pause  time.Duration // between two transactions, on average
	rows   map[string][]int
	failed map[string]int // transactions that Postgres refused, by error
}

// work goes on until ctx is done.
func (w *writer) work(ctx context.Context) {
	for program.Wait(ctx, time.Duration(w.random.Int64N(int64(2*w.pause)+1))) {
		if err := w.transact(context.WithoutCancel(ctx)); err != nil {
			w.failed[err.Error()]++
		}
	}
}

func (w *writer) transact(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	tx, err := w.db.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for range 1 + w.random.IntN(4) {
		t := w.world.tables[w.random.IntN(len(w.world.tables))]
		if err := w.statement(ctx, tx, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	_, err = w.ledger.commit(ctx, tx, 0)
	return err
}

func (w *writer) statement(ctx context.Context, tx pgx.Tx, t *table) error {
	live := w.rows[t.target()]
	n := w.random.IntN(20)
	if n < 10 || !t.changeable() || len(live) == 0 {
		return w.insert(ctx, tx, t)
	}
	i := w.random.IntN(len(live))
	switch {
	case n == 10:
		return w.draft(ctx, tx, t)
	case n < 14:
		w.rows[t.target()] = slices.Delete(live, i, i+1)
		_, err := tx.Exec(ctx, fmt.Sprintf("delete from %s where id = %d", t.target(), live[i]))
		return err
	}
	return w.update(ctx, tx, t, live[i])
}

// insert writes a new row of random content.
func (w *writer) insert(ctx context.Context, tx pgx.Tx, t *table) error {
	return w.put(ctx, tx, t, pick(w.random, orgs...), w.owner())
}

func (w *writer) owner() string { return pick(w.random, users...) }

func (w *writer) put(ctx context.Context, tx pgx.Tx, t *table, org, owner string) error {
	w.next++
	ver := w.world.version.Add(1)
	columns := []string{"ver", "id", "owner", "org", "body", "num", "pin"}
	values := []string{
		fmt.Sprint(ver), fmt.Sprint(w.next), quote(owner), quote(org), quote(mark(ver, "body")),
		fmt.Sprint(w.random.IntN(100)), quote(mark(ver, "pin")),
	}
	if w.random.IntN(8) == 0 {
		// Outside of the row, so that an update leaves it out of the WAL.
		columns, values = append(columns, "big"), append(values, quote(mark(ver, "big")+filling))
	}
	if t.typed {
		columns = append(columns, "mood", "price")
		values = append(values, w.mood(), fmt.Sprintf("'(%d,%d)'", w.random.IntN(100), w.random.IntN(100)))
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("insert into %s (%s) values (%s)", t.target(), strings.Join(columns, ", "), strings.Join(values, ", ")))
	w.rows[t.target()] = append(w.rows[t.target()], w.next)
	return err
}

// mood names a label by its index, as labels are renamed.
func (w *writer) mood() string {
	return fmt.Sprintf("(enum_range(null::app.mood))[%d]", 1+w.random.IntN(3))
}

// update changes a row, often who it is for.
func (w *writer) update(ctx context.Context, tx pgx.Tx, t *table, id int) error {
	ver := w.world.version.Add(1)
	sets := []string{fmt.Sprintf("ver = %d", ver), "body = " + quote(mark(ver, "body"))}
	for _, set := range []string{
		"org = " + quote(pick(w.random, orgs...)), "owner = " + quote(w.owner()),
		fmt.Sprintf("num = %d", w.random.IntN(100)), "pin = null", "pin = " + quote(mark(ver, "pin")),
	} {
		if w.random.IntN(3) == 0 && (!strings.HasPrefix(set, "pin") || !strings.Contains(strings.Join(sets, ""), "pin")) {
			sets = append(sets, set)
		}
	}
	if t.typed && w.random.IntN(3) == 0 {
		sets = append(sets, "mood = "+w.mood())
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("update %s set %s where id = %d", t.target(), strings.Join(sets, ", "), id))
	return err
}

// draft writes a row that few may see, then cleans and shares it, all in one
// transaction: what was there between was never to be seen.
func (w *writer) draft(ctx context.Context, tx pgx.Tx, t *table) error {
	if err := w.put(ctx, tx, t, "blue", users[3]); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("update %s set ver = %d, body = 'clean', pin = null, org = 'open', owner = %s where id = %d",
		t.target(), w.world.version.Add(1), quote(w.owner()), w.next))
	return err
}

// mark is a text that names its version and column wherever it turns up.
func mark(ver int64, column string) string { return fmt.Sprintf("mark-%d-%s", ver, column) }

// quote makes a literal of text without quotes in it.
func quote(text string) string { return "'" + text + "'" }
