package view

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// plot is a table of the property test, a view of it, and who has the view.
type plot struct {
	table, columns, policy string
	identity               string // of old rows
	key                    string // its columns
}

// plots are what the property test draws from. All tables have the columns a and b, which
// are numbers from 0 to 5, and owner and t, which are texts.
var plots = []plot{
	{key: "a", columns: "a int not null"},
	{key: "a, b", columns: "a int not null"},
	{key: "t, a", columns: "a int not null"},
	{key: "a", columns: "a numeric not null"},
	{key: "a", columns: "a int not null", identity: "full"},
	{key: "a", columns: "a int not null", policy: "owner = auth.uid()::text"},
	{key: "a, b", columns: "a int not null", policy: "owner = auth.uid()::text or t = 'x'", identity: "full"},
	{key: "a", columns: "a int not null", policy: "b < (auth.jwt() ->> 'n')::int"},
	{key: "a", columns: "a int not null", policy: "length(t || owner) > 3 and random() < 2"},
	{key: "a, b", columns: "a bigint not null", policy: "abs(a - b) < 3"},
}

// conditions are filters, as clients and as SQL have them.
var conditions = [][2]string{
	{"", "true"},
	{"b=eq.1", "b = 1"},
	{"b=in.(1,2)", "b in (1, 2)"},
	{"b=gt.2", "b > 2"},
	{"t=eq.x", "t = 'x'"},
	{"t=like.%y%", "t like '%y%'"},
	{"b=not.eq.1", "not b = 1"},
	{"owner=is.null", "owner is null"},
}

var (
	alice = subject{"authenticated", map[string]any{"sub": "6b2b1d5e-0000-4000-8000-000000000001", "n": "3"}}
	bob   = subject{"authenticated", map[string]any{"sub": "6b2b1d5e-0000-4000-8000-000000000002", "n": "5"}}
)

// make creates the table.
func (p *plot) make(by *session, name string) {
	p.table = name
	by.exec(fmt.Sprintf(`create table %s (%s, b int not null, owner text, t text not null, primary key (%s)); alter table %[1]s alter t set storage external; grant select on %[1]s to anon, authenticated`, name, p.columns, p.key))
	if p.identity != "" {
		by.exec("alter table " + name + " replica identity " + p.identity)
	}
	if p.policy != "" {
		by.exec(fmt.Sprintf("alter table %s enable row level security; create policy p on %[1]s for select using (%s)", name, p.policy))
	}
}

// statement draws what one statement does. It may fail by the key.
func (p *plot) statement(rt *rapid.T) string {
	n := func(label string) int { return rapid.IntRange(0, 5).Draw(rt, label) }
	owner := rapid.SampledFrom([]string{"null", "'" + alice.claims["sub"].(string) + "'", "'" + bob.claims["sub"].(string) + "'"}).Draw(rt, "owner")
	text := rapid.SampledFrom([]string{"'x'", "'xyz'", "'zz'", "repeat('long ', 500)"}).Draw(rt, "t")
	where := rapid.SampledFrom([]string{fmt.Sprintf("a = %d", n("a")), fmt.Sprintf("b = %d", n("b")), "a < b", "true"}).Draw(rt, "where")
	switch rapid.IntRange(0, 9).Draw(rt, "statement") {
	case 0, 1, 2:
		return fmt.Sprintf("insert into %s (a, b, owner, t) values (%d, %d, %s, %s) on conflict do nothing", p.table, n("a"), n("b"), owner, text)
	case 3:
		return fmt.Sprintf("insert into %s (a, b, owner, t) values (%d, %d, %s, %s) on conflict (%s) do update set b = excluded.b, owner = excluded.owner", p.table, n("a"), n("b"), owner, text, p.key)
	case 4, 5:
		return fmt.Sprintf("update %s set b = %d, owner = %s where %s", p.table, n("b"), owner, where)
	case 6:
		return fmt.Sprintf("update %s set a = %d, t = %s where %s", p.table, n("a"), text, where)
	case 7:
		return fmt.Sprintf("update %s set t = t || '' where %s", p.table, where)
	case 8:
		return fmt.Sprintf("delete from %s where %s", p.table, where)
	}
	return "savepoint s; delete from " + p.table + "; " + fmt.Sprintf("insert into %s (a, b, owner, t) values (%d, %d, %s, %s)", p.table, n("a"), n("b"), owner, text) + "; rollback to s"
}

// TestRandomTransactionsAndViews interleaves transactions, some of which fail, with joins,
// and compares what each client has with what its subject selects.
func TestRandomTransactionsAndViews(t *testing.T) {
	s := open(t, "", nil)
	reader := s.connect()
	writers := s.writers(3)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		p := rapid.SampledFrom(plots).Draw(rt, "plot")
		p.make(reader, fmt.Sprint("plot", round))
		defer func() { // also when a check ends early
			for _, w := range writers {
				w.end("rollback")
			}
			reader.exec("drop table " + p.table)
		}()
		type viewer struct {
			*client
			where string
		}
		var viewers []viewer
		for range rapid.IntRange(4, 30).Draw(rt, "steps") {
			w := writers[rapid.IntRange(0, len(writers)-1).Draw(rt, "writer")]
			switch rapid.IntRange(0, 11).Draw(rt, "what") {
			case 0, 1:
				if len(viewers) < 4 {
					f := rapid.SampledFrom(conditions).Draw(rt, "filter")
					by := rapid.SampledFrom([]subject{anon, alice, bob}).Draw(rt, "subject")
					more := ""
					if f[0] != "" {
						more = fmt.Sprintf(`,"filter":%q`, f[0])
					}
					viewers = append(viewers, viewer{s.join(by, p.table, more), f[1]})
					viewers[len(viewers)-1].t = rt
				}
			case 2, 3:
				if w.isOpen {
					w.end(rapid.SampledFrom([]string{"commit", "rollback"}).Draw(rt, "end"))
				}
			case 4:
				for _, v := range viewers {
					v.want(reader, p.table, v.where)
				}
			default:
				w.write(p.statement(rt))
			}
		}
		for _, w := range writers {
			if w.isOpen {
				w.end(rapid.SampledFrom([]string{"commit", "rollback"}).Draw(rt, "end"))
			}
		}
		for _, v := range viewers {
			v.want(reader, p.table, v.where)
			v.conn.Close()
			if rt.Failed() {
				rt.Errorf("of %s by %+v where %s: snapshots for %q, codes %q, all %s", p.columns, v.by, v.where, v.reasons, v.codes, strings.Join(v.lines, " | "))
			}
		}
	})
}
