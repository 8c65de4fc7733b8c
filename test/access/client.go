package access

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/replication/wal"
	"walcast/test/program"
)

// filter is a condition of a binding, as it is sent and as Postgres reads it.
type filter struct{ text, sql, column string }

// filters are those that bindings may have; a binding names one by its index,
// and the first is none.
var filters = []filter{
	{"", "true", ""},
	{"num=gt.50", "num > 50", "num"},
	{"num=lte.30", "num <= 30", "num"},
	{"org=eq.red", "org = 'red'", "org"},
	{"org=in.(open,green)", "org in ('open', 'green')", "org"},
	{"owner=eq." + users[0], "owner = '" + users[0] + "'", "owner"},
	{"body=like.%1-body", "body like '%1-body'", "body"},
	{"pin=match.^mark-[0-9]*5-", "pin ~ '^mark-[0-9]*5-'", "pin"},
	{"id=gt.10", "id > 10", "id"},
}

// binding is what a client asks for.
type binding struct {
	event, schema, table string
	filter               int
}

// wants reports whether a binding asks for a change; of an UPDATE the new row
// counts, of a DELETE what it is told of the old one, so any filter may let it pass.
func (b binding) wants(t *table, c *written) bool {
	switch {
	case b.event != "*" && b.event != c.kind, b.schema != "*" && b.schema != t.schema, b.table != "*" && b.table != t.name:
		return false
	case c.row == nil:
		return true
	}
	return c.row.matches>>b.filter&1 == 1
}

// client is one that follows some tables.
type client struct {
	name     string
	world    *world
	address  string
	random   *rand.Rand
	bindings []binding
	subjects [2]int // as which it acts by turns
	back     back
	diary    diary
	target   *atomic.Uint64 // the LSN that it has to reach at the end; 0 before

	now  int          // which of subjects it is
	last wal.Position // the newest that it has, or was told
}

// newClient draws a client.
func newClient(w *world, random *rand.Rand, i int) *client {
	pairs := [][2]int{{0, 1}, {2, 3}, {4, 5}, {6, 6}, {0, 0}, {7, 7}, {5, 4}, {8, 8}, {3, 2}}
	c := &client{
		name: fmt.Sprintf("client %d", i), world: w, random: random,
		subjects: pairs[i%len(pairs)], back: back(i % 3),
	}
	if w.plain {
		c.bindings = []binding{{"*", "*", "*", 0}}
		return c
	}
	if random.IntN(6) == 0 {
		c.bindings = []binding{{"*", pick(random, "*", "public"), "*", 0}}
		return c
	}
	for _, t := range w.tables {
		if random.IntN(3) == 0 {
			continue
		}
		b := binding{pick(random, "*", "*", "*", "INSERT", "UPDATE"), t.schema, t.name, 0}
		if random.IntN(3) == 0 {
			b.filter = random.IntN(len(filters))
		}
		c.bindings = append(c.bindings, b)
	}
	if len(c.bindings) == 0 {
		c.bindings = []binding{{"*", "*", "*", 0}}
	}
	return c
}

// join is the payload of the client's join.
func (c *client) join() map[string]any {
	var all []map[string]any
	for _, b := range c.bindings {
		one := map[string]any{"event": b.event, "schema": b.schema, "table": b.table}
		if b.filter > 0 {
			one["filter"] = filters[b.filter].text
		}
		if c.back == named && !c.last.IsZero() {
			one["resume"] = map[string]any{"from": c.last.String()}
		}
		all = append(all, one)
	}
	return map[string]any{"config": map[string]any{"postgres_changes": all}, "access_token": c.token()}
}

func (c *client) subject() int { return c.subjects[c.now] }

func (c *client) token() string {
	return program.Sign(jwt.MapClaims(c.world.subjects[c.subject()].claims))
}

// follow connects again and again until ctx is done, and stays to the end if it
// is connected then.
func (c *client) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.visit(ctx)
		c.diary.note(entry{Kind: closed, Text: strings.ToValidUTF8(fmt.Sprint(err), "?")})
		away := time.Duration(c.random.Int64N(int64(300 * time.Millisecond)))
		if c.random.IntN(4) == 0 {
			away = time.Duration(c.random.Int64N(int64(4 * time.Second)))
		}
		program.Wait(ctx, away)
		c.now = c.random.IntN(2)
	}
}
