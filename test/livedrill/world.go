package livedrill

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

const (
	publication = "drill" // what walcast reads
	everything  = "truth" // with the journal, for the judge
)

// table is one that clients have views of.
type table struct {
	name     string
	key      []string
	identity string // the replica identity, "" for the primary key
}

// tables have the same columns. They differ in what the WAL tells of old rows, and in
// whether a key changes often.
var tables = []table{
	{name: "notes", key: []string{"id"}},
	{name: "whole", key: []string{"id"}, identity: "full"},
	{name: "pairs", key: []string{"room", "id"}},
}

func tableOf(name string) table {
	for _, t := range tables {
		if t.name == name {
			return t
		}
	}
	panic("no table " + name)
}

// columns are those that a role is granted which may not see all. Beside them a table has
// the column note, and now and then the column extra.
var columns = []string{"id", "room", "owner", "amount"}

// subject is who a client acts as.
type subject struct {
	role, sub string
	n         int
}

var subjects = []subject{
	{role: "anon"},
	{"authenticated", "11111111-1111-1111-1111-111111111111", 2},
	{"authenticated", "22222222-2222-2222-2222-222222222222", 4},
}

// claims are those of the subject's token.
func (s subject) claims() jwt.MapClaims {
	claims := jwt.MapClaims{"role": s.role, "exp": int64(4102444800)}
	if s.sub != "" {
		claims["sub"], claims["n"] = s.sub, fmt.Sprint(s.n)
	}
	return claims
}

func (s subject) token() string { return program.Sign(s.claims()) }

// text is what policies read the claims from.
func (s subject) text() string {
	text, err := json.Marshal(s.claims())
	if err != nil {
		panic(err) // a map of strings and numbers
	}
	return string(text)
}

// filters are conditions as clients and as SQL have them.
var filters = [][2]string{
	{"", "true"},
	{"", "true"},
	{"room=eq.1", "room = 1"},
	{"room=in.(1,2,5)", "room in (1, 2, 5)"},
	{"amount=gt.50", "amount > 50"},
	{"room=not.eq.3", "not room = 3"},
	{"owner=is.null", "owner is null"},
	{"owner=eq." + subjects[1].sub, "owner = '" + subjects[1].sub + "'"},
}

// interest is a view that a client asks for.
type interest struct {
	Table  string
	Filter string
	where  string   // the filter in SQL
	Select []string // nil for all columns
}

// drawInterest draws a view of a table.
func drawInterest(r *rand.Rand, t table) interest {
	f := pick(r, filters...)
	i := interest{Table: t.name, Filter: f[0], where: f[1]}
	if r.IntN(4) == 0 {
		i.Select = []string{"amount", "note"}
	}
	return i
}

// shows reports whether the rows of the view have a column that may be seen.
func (i interest) shows(column string) bool {
	return i.Select == nil || contains(i.Select, column) || contains(tableOf(i.Table).key, column)
}

// binding is an entry of a join's postgres_changes.
type binding struct {
	Event  string         `json:"event"`
	Schema string         `json:"schema"`
	Table  string         `json:"table"`
	Filter string         `json:"filter,omitempty"`
	Select []string       `json:"select,omitempty"`
	View   bool           `json:"view"`
	Resume map[string]any `json:"resume,omitempty"`
}

// binding is what is sent for the view, which goes on after a position, "" for none.
func (i interest) binding(from string) binding {
	b := binding{Event: "*", Schema: "public", Table: i.Table, Filter: i.Filter, Select: i.Select, View: true}
	if from != "" {
		b.Resume = map[string]any{"from": from}
	}
	return b
}

// create returns the statements that make the tables, of the database that walcast reads
// or, without publications and rules, of the judge's.
func create(isShadow bool) (statements []string) {
	for _, t := range tables {
		extra := ""
		if isShadow {
			extra = ", extra int, walcast_xid bigint"
		}
		statements = append(statements,
			fmt.Sprintf("create table %s (id int not null, room int not null, owner text, amount int not null, note text%s, primary key (%s))", t.name, extra, strings.Join(t.key, ", ")),
			"alter table "+t.name+" alter note set storage external")
		if t.identity != "" {
			statements = append(statements, "alter table "+t.name+" replica identity "+t.identity)
		}
	}
	statements = append(statements,
		"create table members (room int, who text, primary key (room, who))",
		"grant select on members to anon, authenticated",
		"insert into members values (1, '"+subjects[1].sub+"'), (2, '"+subjects[2].sub+"')",
		"create table journal (n int primary key, rules text not null)")
	if isShadow {
		return statements
	}
	return append(statements,
		"create publication "+publication+" for table notes, whole, pairs, members",
		"create publication "+everything+" for table notes, whole, pairs, members, journal",
		"select pg_create_logical_replication_slot('"+truthSlot+"', 'pgoutput')")
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func contains(list []string, text string) bool {
	for _, t := range list {
		if t == text {
			return true
		}
	}
	return false
}

// upTo is a random time below a limit.
func upTo(r *rand.Rand, limit time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(limit)))
}
