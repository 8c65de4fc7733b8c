package view

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Transfers move money between accounts that are in the view, and between these and
// others, and change their keys: at each end of a transaction the sum of what is in the view is what the
// accounts of the view say that it is.
func TestViewsHaveWholeTransactions(t *testing.T) {
	s := open(t, `
		create table accounts (id int primary key, bank int not null, amount int not null); grant select on accounts to anon, authenticated;
		insert into accounts select n, n % 2, 100 from generate_series(1, 40) n;`, nil)
	p := s.connect()
	clients := []*client{s.keep(anon, "accounts", ""), s.keep(anon, "accounts", `,"filter":"bank=eq.0"`)}
	ctx := t.Context()
	var writing sync.WaitGroup
	for w := range 4 {
		conn, err := pgx.Connect(t.Context(), s.db.DSN)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		writing.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range 150 {
				from, to := 1+random.IntN(40), 1+random.IntN(40)
				sql := fmt.Sprintf("update accounts set amount = amount - 7, bank = %d where id %% 100 = %d; update accounts set amount = amount + 7 where id %% 100 = %d", random.IntN(2), from, to)
				if random.IntN(4) == 0 {
					sql += fmt.Sprintf("; update accounts set id = (id + 100) %% 300 where id %% 100 = %d", from)
				}
				_, _ = conn.Exec(ctx, "begin; "+sql+"; "+[]string{"commit", "commit", "rollback"}[random.IntN(3)], pgx.QueryExecModeSimpleProtocol) // a deadlock rolls back
				_, _ = conn.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol)
			}
		})
	}
	late := s.keep(anon, "accounts", `,"filter":"amount=lt.100"`)
	end := s.connect()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		writing.Wait()
		end.exec(`insert into accounts values (9999, 2, 0)`)
	}()
	for clients[0].rows["9999"] == "" {
		clients[0].until("commit")
		if got := sum(t, clients[0]); got != 4000 {
			t.Fatalf("between two transactions all accounts have %d together; want 4000", got)
		}
	}
	<-ended
	clients[0].want(p, "accounts", "true")
	clients[1].want(p, "accounts", "bank = 0")
	late.want(p, "accounts", "amount < 100")
}

// sum is what the rows of a client have together.
func sum(t *testing.T, c *client) (all int) {
	t.Helper()
	for _, row := range c.rows {
		n, err := strconv.Atoi(string(decode(t, []byte(row))["amount"]))
		if err != nil {
			t.Fatal(err)
		}
		all += n
	}
	return all
}
