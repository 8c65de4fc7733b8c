package drill

import (
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

// interest is what a client asks for.
type interest struct {
	Tables []string
	Filter string // as it is sent
	Shards []int  // what it selects, beside shard 0; nil is all
	User   string // sub of the client's token; "" is a token of anon
}

// interests are shared out among the clients.
var interests = []interest{
	{Tables: []string{"open_rows"}},
	{Tables: []string{"open_rows"}, Filter: "shard=in.(0,1,3)", Shards: []int{1, 3}},
	{Tables: []string{"guarded_rows"}, User: "11111111-1111-1111-1111-111111111111"},
	{Tables: tables, Filter: "shard=in.(0,2,3,4)", Shards: []int{2, 3, 4}, User: "11111111-1111-1111-1111-111111111111"},
	{Tables: []string{"open_rows"}, Filter: "shard=lt.3", Shards: []int{1, 2}},
	{Tables: []string{"guarded_rows"}, Filter: "shard=neq.1", Shards: []int{2, 3, 4}, User: "11111111-1111-1111-1111-111111111111"},
	{Tables: []string{"guarded_rows"}, User: "22222222-2222-2222-2222-222222222222"},
}

// wants reports whether a row is among what was asked for, and may be seen.
func (s interest) wants(w written) bool {
	switch {
	case !slices.Contains(s.Tables, w.Table):
		return false
	case w.Shard == 0:
		return true
	case s.Shards != nil && !slices.Contains(s.Shards, w.Shard):
		return false
	}
	return w.Table == "open_rows" || slices.Contains(members[s.User], w.Shard)
}

// binding is an entry of a join's postgres_changes.
type binding struct {
	Event  string         `json:"event"`
	Schema string         `json:"schema"`
	Table  string         `json:"table"`
	Filter string         `json:"filter,omitempty"`
	Resume map[string]any `json:"resume,omitempty"`
}

// bindings are one for each table, which go on after a position, "" for live.
func (s interest) bindings(from string) (all []binding) {
	for _, table := range s.Tables {
		b := binding{Event: "*", Schema: "public", Table: table, Filter: s.Filter}
		if from != "" {
			b.Resume = map[string]any{"from": from}
		}
		all = append(all, b)
	}
	return all
}

// token is what the client shows.
func (s interest) token() string {
	claims := jwt.MapClaims{"role": "anon", "exp": time.Now().Add(1000 * time.Hour).Unix()}
	if s.User != "" {
		claims["role"], claims["sub"] = "authenticated", s.User
	}
	return program.Sign(claims)
}
