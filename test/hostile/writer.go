package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// write commits rows, each in a transaction of its own, until ctx is done.
func (v *victim) write(ctx context.Context, dsn string) error {
	db, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to write rows: %w", err)
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	body := strings.Repeat("a", 60)
	owners := map[string]string{openTable: strangerUser, ownTable: victimUser, askedTable: speakerUser}
	tables := []string{openTable, ownTable, openTable, askedTable}
	for i := 0; program.Wait(ctx, rowEvery); i++ {
		table := tables[i%len(tables)]
		insert := `insert into ` + table + ` values ($1, $2, $3)`
		number := v.begin(table)
		// A commit that is under way when writing ends is one that counts.
		if _, err := db.Exec(context.WithoutCancel(ctx), insert, number, owners[table], body); err != nil {
			return fmt.Errorf("write row: %w", err)
		}
		v.done(table, number)
		if i%8 == 1 { // what only the stranger may see, in the same tables
			for _, guarded := range []string{ownTable, askedTable} {
				if _, err := db.Exec(context.WithoutCancel(ctx), `insert into `+guarded+` values ($1, $2, $3)`, -1-i, strangerUser, body); err != nil {
					return fmt.Errorf("write row of a stranger: %w", err)
				}
			}
		}
	}
	return nil
}

// missing is how many numbers have not come that must.
func (v *victim) missing() (n int) {
	for _, s := range v.streams {
		n += s.judge(time.Time{}).Missing
	}
	return n
}

// came is how many numbers have come.
func (v *victim) came() (n int) {
	for _, s := range v.streams {
		n += s.count()
	}
	return n
}

// patience is how long nothing may come before what is missing is lost.
const patience = 15 * time.Second

// catchUp waits until all has come, or nothing more does.
func (v *victim) catchUp(ctx context.Context) {
	came, since := v.came(), time.Now()
	for v.missing() > 0 && time.Since(since) < patience && program.Wait(ctx, 50*time.Millisecond) {
		if n := v.came(); n > came {
			came, since = n, time.Now()
		}
	}
}
