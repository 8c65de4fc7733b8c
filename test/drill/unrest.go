package drill

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// unrest are statements that change nothing for the clients, but have walcast
// learn the tables again, in the middle of their changes.
var unrest = []string{
	`grant select on open_rows to service_role`,
	`revoke select on open_rows from service_role`,
	`alter policy members on guarded_rows to authenticated`,
	`alter table open_rows add column if not exists extra int default 7`,
	`alter table open_rows drop column if exists extra`,
	`alter table guarded_rows replica identity full`,
	`alter table guarded_rows replica identity default`,
	`begin; create policy other on guarded_rows for select to service_role using (true); drop policy other on guarded_rows; commit`,
}

// disturb runs them at random until ctx is done, over whatever happens to
// Postgres.
func disturb(ctx context.Context, dsn string, random *rand.Rand) {
	for program.Wait(ctx, time.Duration(random.Int64N(int64(4*time.Second)))) {
		db, err := pgx.Connect(ctx, dsn)
		if err != nil {
			continue
		}
		for range 1 + random.IntN(3) {
			// Writers wait behind a lock that is waited for, so not for long.
			_, _ = db.Exec(ctx, `set lock_timeout = '300ms'`)
			_, _ = db.Exec(ctx, unrest[random.IntN(len(unrest))])
		}
		_ = db.Close(context.WithoutCancel(ctx))
	}
}
