package filters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"walcast/filters/datum"
	"walcast/replication/wal"
)

// specimens are literals of each type, most of them valid. Values of rows are
// drawn from the valid ones.
var specimens = []struct {
	typ      string
	literals []string
}{
	{"int2", []string{"0", "1", "-1", "32767", " 7", "+7", "32768", "x"}},
	{"int4", []string{"0", "1", "-1", "2147483647", "01", "2147483648", "1.5", ""}},
	{"int8", []string{"0", "9007199254740993", "9007199254740992", "-9223372036854775808", "9223372036854775808"}},
	{"oid", []string{"0", "4294967295", "26", "-1"}},
	{"numeric", []string{"0", "1.5", "1.50", "-1.5", "10", "1e1", "1e-3", "NaN", "Infinity", "-Infinity", "99999999999999999999.5", "0x1F", "abc"}},
	{"float4", []string{"0", "-0", "1.1", "3.4e38", "NaN", "Infinity", "1e-45", "16777217", "1e39"}},
	{"float8", []string{"0", "-0", "0.1", "0.30000000000000004", "0.3", "1e300", "NaN", "-Infinity", "1e400", "0x10"}},
	{"bool", []string{"t", "f", "yes", "off", "1", "maybe"}},
	{"text", []string{"", "a", "A", "abc", "b", "ä", "Äb", "a%", "a_c", "a\\b", "null", " a", "a ", "zebra", "Zebra", "a\nb", "💥"}},
	{"varchar", []string{"", "a", "A", "abc", "b", "ä", "a "}},
	{"bpchar", []string{"", "a", "a  ", "A", "abc", "b ", "ä"}},
	{"name", []string{"", "a", "A", "abc", strings.Repeat("x", 70)}},
	{`"char"`, []string{"a", "b", "", "ab"}},
	{"uuid", []string{"00000000-0000-4000-8000-000000000001", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "{a0eebc999c0b4ef8bb6d6bb9bd380a11}", "ffffffff-ffff-ffff-ffff-ffffffffffff", "urn:uuid:00000000-0000-4000-8000-000000000001"}},
	{"bytea", []string{`\x`, `\x00ff`, "00ff", "00FF", "abc", `a\\b`, `\xg`, "ab"}},
	{"varbit", []string{"", "1", "10", "0101", "x1"}},
	{"date", []string{"2024-01-01", "2024-02-29", "infinity", "-infinity", "0044-03-15 BC", "01/02/2024", "2024-13-01", "99999-01-01", "yesterday", "epoch"}},
	{"time", []string{"10:00", "10:00:00", "24:00", "23:59:59.999999", "04:05 PM", "now", "25:00"}},
	{"timetz", []string{"10:00+02", "08:00Z", "12:00:00-05:30", "10:00"}},
	{"timestamp", []string{"2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01 01:00:00", "infinity", "0044-03-15 00:00:00 BC", "Jan 8 1999", "tomorrow", "2024-02-30"}},
	{"timestamptz", []string{"2024-01-01", "2024-01-01T00:00:00Z", "2024-01-01 01:00:00+01", "-infinity", "2024-06-01T00:00:00.123456+05:30", "Jan 8 1999 UTC", "now", "not-a-date"}},
	{"interval", []string{"1 day", "24 hours", "1 mon", "30 days", "-00:00:01", "1 year 2 mons 3 days 04:05:06.7", "P1D", "1.5 days", "1 day ago", "x"}},
	{"inet", []string{"10.0.0.1", "10.0.0.1/8", "10.0.0.0/8", "::1", "::1/64", "10.1", "300.0.0.1", "::ffff:1.2.3.4"}},
	{"cidr", []string{"10.0.0.0/8", "10.0.0.1/32", "10.1", "::/0", "2001:db8::/32", "10.0.0.1/8"}},
	{"macaddr", []string{"08:00:2b:01:02:03", "08-00-2b-01-02-03", "08002b010203", "ff:ff:ff:ff:ff:ff"}},
	{"macaddr8", []string{"08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03"}},
	{"mood", []string{"sad", "ok", "happy", "angry", ""}},
	{"positive", []string{"1", "2", "10", "-5", "x"}},
	{"label", []string{"", "a", "A", "abc", "ä"}},
	{"short", []string{"a", "abc", "abcd"}},
	{"amount", []string{"1", "1.5", "1.555", "1.56", "x"}},
	{"mood_domain", []string{"sad", "happy"}},
	{"ints_domain", []string{"{1,2}", "{2,1}", "{}"}},
	{"int4[]", []string{"{}", "{1,2}", "{2,1}", "{1,NULL}", "{ 1 }", "{{1,2},{3,4}}", "[0:1]={1,2}", "1", "{1,}", "{a}"}},
	{"text[]", []string{"{}", "{a,b}", `{"a,b"}`, `{a,NULL}`, `{"NULL"}`, `{ b , a }`}},
	{"numeric[]", []string{"{1.0}", "{1.00,2}", "{NaN}"}},
	{"short[]", []string{"{a}", "{abcd}", "{abc}"}},
	{"int4range", []string{"[1,5)", "[1,4]", "empty", "(,)", "[2,3)", "(5,)", "[5,1]"}},
	{"numrange", []string{"[1.0,2]", "[1,2.00]", "(1,2)", "(,1.5]", "empty"}},
	{"tstzrange", []string{"[2024-01-01,2024-02-01)", "[2024-01-15,)", "empty"}},
	{"int4multirange", []string{"{[1,5)}", "{[1,2),[4,5)}", "{}"}},
	{"jsonb", []string{`{"a":1}`, `{"a":1.0,"b":[1,2]}`, `{"a": {"b": "x"}}`, `[1,2,"x"]`, `null`, `"x"`, `1`, `[]`, `{}`, `{"a":null}`, `{a}`, `5`, `[[1]]`}},
	{"json", []string{`{"a":1}`, `{"a": "x", "a": "y"}`, `[1, 2]`, `5`, `null`}},
	{"point", []string{"(1,2)", "(0,0)"}},
	{"box", []string{"(1,1),(0,0)", "(2,2),(0,0)"}},
	{"xml", []string{"<a/>"}},
	{"money", []string{"$1.00", "2"}},
	{"pg_lsn", []string{"0/1", "16/B374D848"}},
	{"tsvector", []string{"a b", "b"}},
	{"tid", []string{"(0,1)"}},
	{"citext", []string{"a", "A", "abc", "ä"}},
	{"int2vector", []string{"1 2", "2 1", "", "1", "x"}},
	{"oidvector", []string{"1 2", "16", "", "-1"}},
	{"xid", []string{"1", "4294967295", "x"}},
	{"circle", []string{"<(0,0),1>", "<(1,1),1>"}},
	{"bool[]", []string{"{t,f}", "{true}", "{NULL}", "{maybe}"}},
	{"float8[]", []string{"{0,-0}", "{-0,0}", "{NaN}", "{1e400}", "{0.1}"}},
	{"timestamptz[]", []string{"{2024-01-01T00:00:00Z}", "{infinity}", "{2024-01-01 01:00:00+01}"}},
	{"interval[]", []string{"{1 day}", "{24:00:00}", "{1 mon,30 days}"}},
	{"jsonb[]", []string{`{"{\"a\": 1}"}`, `{"{\"a\": 1.0}",NULL}`, "{1,1.0}"}},
	{"bytea[]", []string{`{"\\x00ff"}`, "{ab}", "{}"}},
	{"citext[]", []string{"{a,B}", "{A,b}", "{}"}},
	{"mood[]", []string{"{sad,ok}", "{happy}", "{angry}"}},
	{"bpchar[]", []string{"{a,b}", `{"a ",b}`}},
	{"folded", []string{"a", "A", "abc"}},
	{"span", []string{"[1,5)", "[1,4]", "empty"}},
	{"daterange", []string{"[2024-01-01,2024-01-05)", "[2024-01-01,2024-01-04]", "(,infinity]"}},
	{"datemultirange", []string{"{[2024-01-01,2024-01-05)}", "{[2024-01-01,2024-01-02],[2024-01-03,2024-01-04]}", "{}"}},
	{"pair", []string{"(1,a)", "(1,)", "(,)", "(2,b)"}},
	{"pair[]", []string{`{"(1,a)"}`, `{"(1,)",NULL}`}},
}

const specimenTypes = `
	create extension if not exists citext;
	create type mood as enum ('sad', 'ok', 'happy');
	create domain positive as int check (value > 0);
	create domain label as text;
	create domain short as varchar(3);
	create domain amount as numeric(8,2);
	create domain mood_domain as mood;
	create domain ints_domain as int[];
	create domain folded as citext;
	create domain span as int4range;
	create type pair as (a int, b text);`

// patterns are for the operators that match text.
var patterns = []string{"a%", "%b", "_", "A_C", `a\%`, `a\`, "%", "", "ä%", "^a", "a.c", "[a-c]+", "(a|b)$", `\d`, `\w+`, "(", "a{2}", "(?=a)", "[[:alpha:]]", "Ä"}

var paths = []string{"->a", "->>a", "->a->>b", "->0", "->>0", "->>-1", "->b->1", "->>", "->a->0"}

// trial is a condition, a value and what Postgres says of them.
type trial struct {
	condition Condition
	column    int
	value     *string
}

// table makes a table with a column of each type and returns it with the values
// that each can hold.
func (l *lab) table(t *testing.T) (*wal.Relation, [][]string) {
	t.Helper()
	l.exec(t, specimenTypes)
	var columns []string
	for i, s := range specimens {
		columns = append(columns, fmt.Sprintf("c%d %s", i, s.typ))
	}
	l.exec(t, "create table specimen ("+strings.Join(columns, ", ")+")")
	rel := l.relation(t, "specimen")
	values := make([][]string, len(specimens))
	for i, s := range specimens {
		var calls []Call
		for _, literal := range s.literals {
			calls = append(calls, Call{Schema: rel.Columns[i].Type.Schema, Type: rel.Columns[i].Type.Name, Literal: literal})
		}
		answers, err := l.Ask(context.Background(), nil, calls)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range answers {
			if a.Err == nil {
				values[i] = append(values[i], a.Text)
			}
		}
	}
	return rel, values
}

func trials(values [][]string) *rapid.Generator[trial] {
	operators := []Operator{Eq, Neq, Lt, Lte, Gt, Gte, In, Like, ILike, Is, Match, IMatch, IsDistinct, Contains, ContainedBy, Overlaps}
	indexes := make([]int, len(specimens))
	for i := range indexes {
		indexes[i] = i
	}
	column := rapid.SampledFrom(indexes) // IntRange prefers small numbers
	return rapid.Custom(func(t *rapid.T) trial {
		i := column.Draw(t, "type")
		c := Condition{
			Column: fmt.Sprintf("c%d", i),
			Op:     rapid.SampledFrom(operators).Draw(t, "operator"),
			Negate: rapid.Bool().Draw(t, "negate"),
		}
		literals := specimens[i].literals
		if typ := specimens[i].typ; strings.HasPrefix(typ, "json") && rapid.Bool().Draw(t, "path") {
			c.Column += rapid.SampledFrom(paths).Draw(t, "path")
			literals = append([]string{"1", "x", `"x"`, "1.0", "y"}, literals...)
		}
		literal := rapid.SampledFrom(literals)
		switch c.Op {
		case Is:
			c.Value = rapid.SampledFrom([]string{"null", "true", "false", "unknown"}).Draw(t, "word")
		case Like, ILike, Match, IMatch:
			c.Value = rapid.SampledFrom(patterns).Draw(t, "pattern")
		case In:
			c.Value = arrayText(rapid.SliceOfN(literal, 0, 3).Draw(t, "list"), rapid.IntRange(0, 3).Draw(t, "null") == 0)
		default:
			c.Value = literal.Draw(t, "literal")
		}
		tr := trial{condition: c, column: i}
		if rapid.IntRange(0, 9).Draw(t, "not null") > 0 && len(values[i]) > 0 {
			v := rapid.SampledFrom(values[i]).Draw(t, "value")
			tr.value = &v
		}
		return tr
	})
}

func arrayText(items []string, null bool) string {
	for i, s := range items {
		items[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	if null {
		items = append(items, "NULL")
	}
	return "{" + strings.Join(items, ",") + "}"
}

// sql is the condition as Postgres sees it, over $1, the value, and $2, the
// literal. Paths are written as PostgREST does.
func (tr trial) sql(t *wal.Type) string {
	left, typ := fmt.Sprintf("$1::%q.%q", t.Schema, t.Name), Call{Schema: t.Schema, Type: t.Name}
	if i := strings.Index(tr.condition.Column, "->"); i >= 0 {
		for path := tr.condition.Column[i:]; path != ""; {
			arrow := "->"
			if typ.Type = t.Name; strings.HasPrefix(path, "->>") {
				arrow, typ.Schema, typ.Type = "->>", "pg_catalog", "text"
			}
			step, rest, _ := strings.Cut(path[len(arrow):], "->")
			if path = ""; rest != "" {
				path = "->" + rest
			}
			if strings.Trim(step, "-0123456789") != "" || step == "" {
				step = "'" + step + "'"
			}
			left = "(" + left + " " + arrow + " " + step + ")"
		}
	}
	expr := left + " is " + tr.condition.Value
	switch {
	case tr.condition.Op == IsDistinct && tr.condition.Value == "null":
		expr = left + " is distinct from null"
	case tr.condition.Op != Is:
		typ.Op, typ.Array = tr.condition.Op, tr.condition.Op == In
		expr = left + strings.TrimPrefix(typ.sql(), fmt.Sprintf("$1::%q.%q", typ.Schema, typ.Type))
	}
	if tr.condition.Negate {
		return "not (" + expr + ")"
	}
	return expr
}

// literal is the literal as Postgres is given it: bytea has its \x.
func (tr trial) literal(t *wal.Type) string {
	b, o := binder{wire: true}, &operand{typ: t}
	list, err := datum.ParseArray(tr.condition.Value, ',')
	switch {
	case t.Name != "bytea" || tr.condition.Op == Like:
		return tr.condition.Value
	case tr.condition.Op != In || err != nil:
		return b.spelling(o, tr.condition.Value)
	}
	var items []string
	null := false
	for _, e := range list.Elements {
		if null = null || e.Null; !e.Null {
			items = append(items, b.spelling(o, e.Text))
		}
	}
	return arrayText(items, null)
}

// tally counts how comparisons were decided.
type tally map[string]*[3]int // native, asked, refused

func (ta tally) count(key string, i int) {
	if ta[key] == nil {
		ta[key] = new([3]int)
	}
	ta[key][i]++
}

// TestConditionsHaveThePostgresTruth puts random conditions to values and asks
// Postgres the same, once as the locale C and once as one that Go knows less of.
func TestConditionsHaveThePostgresTruth(t *testing.T) {
	for _, locale := range []string{"C", "C.UTF-8"} {
		t.Run(locale, func(t *testing.T) {
			l := newLab(t, locale)
			rel, values := l.table(t)
			decided := tally{}
			rapid.Check(t, func(rt *rapid.T) {
				l.try(rt, rel, rapid.SliceOfN(trials(values), 20, 60).Draw(rt, "trials"), decided)
			})
			report(t, decided)
		})
	}
}

// try compares each trial with what Postgres says.
func (l *lab) try(t *rapid.T, rel *wal.Relation, list []trial, decided tally) {
	ctx := context.Background()
	var sql []string
	var values, literals []*string
	for _, tr := range list {
		typ := rel.Columns[tr.column].Type
		literal := tr.literal(typ)
		sql, values, literals = append(sql, tr.sql(typ)), append(values, tr.value), append(literals, &literal)
	}
	want, err := l.decide(ctx, sql, values, literals)
	if err != nil {
		t.Fatal(err)
	}
	for i, tr := range list {
		l.judge(ctx, t, rel, tr, want[i].answer(), decided)
	}
}

// judge compares what we make of a trial with Postgres' answer.
func (l *lab) judge(ctx context.Context, t *rapid.T, rel *wal.Relation, tr trial, want Answer, decided tally) {
	key := rel.Columns[tr.column].Type.Name
	describe := fmt.Sprintf("%s %s: value %s", key, Filter{tr.condition}, show(tr.value))
	f, err := Resolve(ctx, rel, Filter{tr.condition}, l.locale, l, nil)
	var refused *BindError
	if errors.As(err, &refused) {
		decided.count(key, 2)
		if want.Err == nil && refused.SQLState != "P0001" && refused.SQLState != "22025" && tr.value != nil {
			t.Errorf("%s is refused with %s %s; Postgres says %s", describe, refused.SQLState, refused.Message, want.Truth)
		}
		if want.Err != nil && refused.SQLState != "P0001" && refused.SQLState != "22025" && (refused.SQLState != want.Err.SQLState || refused.Message != want.Err.Message) {
			t.Errorf("%s is refused with %s %s; Postgres refuses with %s %s", describe, refused.SQLState, refused.Message, want.Err.SQLState, want.Err.Message)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	e, err := compile(rel, f, l.locale.certainty())
	if err != nil {
		t.Errorf("%s: Resolve accepts it, compile says %v", describe, err)
		return
	}
	row := make(wal.Row, len(rel.Columns))
	row[tr.column].Kind = wal.Null
	if tr.value != nil {
		row[tr.column] = wal.Value{Kind: wal.Text, Text: *tr.value}
	}
	got := e.Eval(row)
	if got == Undecided {
		decided.count(key, 1)
		got, err = decideAlone(ctx, e, row, l)
	} else {
		decided.count(key, 0)
	}
	switch {
	case err != nil && want.Err == nil:
		t.Errorf("%s: %v; Postgres says %s", describe, err, want.Truth)
	case err == nil && want.Err != nil && tr.condition.Op == In && strings.Trim(tr.condition.Value, "{}NUL") == "":
		// A list without values cannot show that the type has no equality.
	case err == nil && want.Err != nil:
		t.Errorf("%s = %s; Postgres refuses with %s", describe, got, want.Err.Message)
	case err == nil && got != want.Truth:
		t.Errorf("%s = %s; Postgres says %s", describe, got, want.Truth)
	}
}

func show(s *string) string {
	if s == nil {
		return "NULL"
	}
	return fmt.Sprintf("%q", *s)
}

// askedTypes are those that Go does not know.
var askedTypes = []string{
	"box", "circle", "datemultirange", "int2vector", "int4multirange", "json", "money", "mood_domain", "oidvector", "_pair", "pair", "pg_lsn", "point", "tid", "tsvector", "xid", "xml",
}

// report logs what was decided where. Of types that Go knows it must be most.
func report(t *testing.T, decided tally) {
	for _, name := range slices.Sorted(maps.Keys(decided)) {
		n := decided[name]
		t.Logf("%-16s %4d native, %4d asked, %4d refused", name, n[0], n[1], n[2])
		if n[1] > n[0] && !slices.Contains(askedTypes, name) {
			t.Errorf("type %s: %d comparisons were asked, only %d decided here", name, n[1], n[0])
		}
	}
}
