package server

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"walcast/internal/devdb"
)

// notes are rows of teams: a user sees those of the own team and those of team 0.
// The second table's policy is one that Postgres has to be asked about.
const notes = `
	create publication supabase_realtime;
	create table teams (team int primary key);
	insert into teams values (0), (1), (2);
	create function team() returns int language sql stable as
		$$ select (current_setting('request.jwt.claims', true)::jsonb ->> 'team')::int $$;
	create table compiled (id int primary key, team int);
	create table asked (id int primary key, team int);
	create policy own on compiled for select using (team = 0 or team = (current_setting('request.jwt.claims', true)::jsonb ->> 'team')::int);
	create policy own on asked for select using (team in (select t.team from teams t where t.team in (0, team())));
	grant select on teams, compiled, asked to anon, authenticated;
	alter table compiled enable row level security;
	alter table asked enable row level security;
	alter publication supabase_realtime add table compiled, asked;`

// TestTokensRefreshedUnderLoad has a client change its role and its claims again
// and again while rows are written: it gets every row that each of its tokens may
// see, each row once, and all in commit order.
func TestTokensRefreshedUnderLoad(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(notes)
	s := startServer(t, configFor(db))
	for _, table := range []string{"compiled", "asked"} {
		t.Run(table, func(t *testing.T) {
			c := s.dial(t, "2.0.0")
			c.send("1", "realtime:notes", "phx_join", fmt.Sprintf(
				`{"config":{"postgres_changes":[{"event":"INSERT","schema":"public","table":%q}]},"access_token":%q}`, table, teamToken(t, 0)))
			c.next("system")
			const rows, tokens = 900, 60
			due := make(chan int, tokens) // tokens are sent in step with the rows
			var load sync.WaitGroup
			load.Go(func() {
				defer close(due)
				for id := 1; id <= rows; id++ {
					if id%(rows/tokens) == 0 {
						due <- id
					}
					db.Exec("insert into "+table+" values ($1, $2)", id, id%3)
				}
			})
			load.Go(func() { refreshEach(t, c.conn, due) })
			last, common := 0, 0
			for last < rows { // the last row is team 0's
				id, team := c.note()
				if id <= last {
					t.Fatalf("row %d after row %d; want each once and in order", id, last)
				}
				if team == 0 {
					common++
				}
				last = id
			}
			load.Wait()
			if common != rows/3 {
				t.Errorf("got %d of the %d rows that every team sees; want all", common, rows/3)
			}
		})
	}
}

// refreshEach sends another token each time that one is due.
func refreshEach(t *testing.T, conn *websocket.Conn, due <-chan int) {
	n := 0
	for range due {
		n++
		text := fmt.Sprintf(`["1","t%d","realtime:notes","access_token",{"access_token":%q}]`, n, teamToken(t, n))
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Errorf("send token %d: %v", n, err)
			return
		}
	}
}

// teamToken is the nth token: role and team change all the time.
func teamToken(t *testing.T, n int) string {
	claims := jwt.MapClaims{"role": []string{"anon", "authenticated"}[n/2%2], "team": 1 + n%2, "exp": time.Now().Add(time.Hour).Unix()}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		t.Error(err)
	}
	return signed
}

// note waits for a row.
func (c *client) note() (id, team int) {
	c.t.Helper()
	var p struct {
		Data struct{ Record struct{ ID, Team int } }
	}
	if err := json.Unmarshal(c.next("postgres_changes").Payload, &p); err != nil {
		c.t.Fatal(err)
	}
	return p.Data.Record.ID, p.Data.Record.Team
}
