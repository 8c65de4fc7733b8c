package hostile

import (
	"context"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

// unequalSnapshots asks for the rows of large tables over a thousand sockets, no two of which
// want the same, so that none can be shared: many rows that half of the clients never
// take, in an order that Postgres has to sort, by patterns that take it long, and under a
// policy that does. The tokens differ, too.
type unequalSnapshots struct{}

const (
	ledgerTable = "ledger"
	sleepyTable = "sleepy_ledger"
)

func (unequalSnapshots) world() []string {
	return []string{
		`create table ` + ledgerTable + ` (id bigint primary key, body text)`,
		`insert into ` + ledgerTable + ` select i, repeat(md5(i::text), 15) from generate_series(1, 200000) i`,
		`grant select on ` + ledgerTable + ` to authenticated`,
		`create table ` + sleepyTable + ` (id bigint primary key, body text)`,
		`insert into ` + sleepyTable + ` select i, md5(i::text) from generate_series(1, 300) i`,
		`grant select on ` + sleepyTable + ` to authenticated`,
		`alter table ` + sleepyTable + ` enable row level security`,
		`create policy sleepy on ` + sleepyTable + ` for select to authenticated using (pg_sleep(0.005) is not null)`,
		`analyze ` + ledgerTable + `, ` + sleepyTable,
	}
}

func (unequalSnapshots) run(ctx context.Context, a *attacker) error {
	const clients = 1000
	return a.crowd(ctx, clients, func(ctx context.Context, i int) error {
		c := a.caller()
		c.token = program.Sign(jwt.MapClaims{"role": "authenticated", "sub": attackerUser, "exp": expiry, "n": i % 50})
		c.deaf = i%2 == 1
		return a.connected(ctx, c, func(s *socket) error {
			for n := 0; ctx.Err() == nil; n++ {
				topic := fmt.Sprintf("ledger%d-%d", i, n)
				ref, err := s.join(topic, bindings(unequal(i, n)))
				if err != nil {
					return err
				}
				program.Wait(ctx, 5*time.Second)
				if _, err := s.send(ref, "realtime:"+topic, "phx_leave", map[string]any{}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// unequal is a binding with a snapshot that no other client wants at any time.
func unequal(client, n int) map[string]any {
	number := client + 1000*n
	b := snapshot(ledgerTable, "")
	switch client / 2 % 4 {
	case 0:
		b["limit"] = 90_000 - number%50_000
	case 1:
		b["order"], b["limit"] = "body.desc", 1+number%50_000
	case 2:
		b["filter"] = fmt.Sprintf(`body=match.([0-9])\1%d\1`, number)
	case 3:
		b = snapshot(sleepyTable, fmt.Sprintf("body=neq.%d", number))
	}
	return b
}
