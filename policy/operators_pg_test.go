package policy

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/filters"
	"walcast/internal/devdb"
)

func TestOperatorsAnswerAsPostgres(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`create schema "Ext"; create extension citext schema "Ext";
		create type mood as enum ('sad', 'ok'); create domain positive as int check (value > 0)`)
	o, s := NewOperators(db.Pool, nil), &Subject{Role: "anon", Claims: "{}"}
	ask := func(schema, typ string, op filters.Operator, value, literal string) filters.Call {
		return filters.Call{Schema: schema, Type: typ, Op: op, Array: op == filters.In, Value: value, Literal: literal}
	}
	home := func(c filters.Call) filters.Call { c.Home = c.Schema; return c }
	for _, c := range []struct {
		call filters.Call
		want filters.Answer
	}{
		{ask("pg_catalog", "int4", filters.Lt, "2", "10"), filters.Answer{Truth: filters.True}},
		{ask("pg_catalog", "int4", filters.Gte, "2", "10"), filters.Answer{Truth: filters.False}},
		{ask("pg_catalog", "int4", filters.In, "2", "{1,NULL}"), filters.Answer{Truth: filters.Unknown}},
		{ask("pg_catalog", "money", filters.Eq, "$1.00", "1"), filters.Answer{Truth: filters.True}},
		{ask("pg_catalog", "bpchar", filters.Like, "ab  ", "ab"), filters.Answer{Truth: filters.False}},
		{ask("pg_catalog", "bytea", filters.Like, `\x6162`, "a%"), filters.Answer{Truth: filters.True}},
		{ask("pg_catalog", "text", filters.IMatch, "ABC", "(?=a)"), filters.Answer{Truth: filters.True}},
		{ask("pg_catalog", "box", filters.Contains, "(2,2),(0,0)", "(1,1),(0,0)"), filters.Answer{Truth: filters.True}},
		{ask("pg_catalog", "int4multirange", filters.Overlaps, "{[1,3)}", "{[5,6)}"), filters.Answer{Truth: filters.False}},
		{ask("public", "mood", filters.Gt, "ok", "sad"), filters.Answer{Truth: filters.True}},
		{home(ask("Ext", "citext", filters.Eq, "ABC", "abc")), filters.Answer{Truth: filters.True}},
		{ask("pg_catalog", "timestamptz", "", "", "Jan 8 1999 UTC"), filters.Answer{Truth: filters.Unknown, Text: "1999-01-08 00:00:00+00"}},
		{filters.Call{Schema: "pg_catalog", Type: "int4", Array: true, Literal: "{ 1, 02}"}, filters.Answer{Truth: filters.Unknown, Text: "{1,2}"}},
		{ask("pg_catalog", "int4", filters.Eq, "1", "x"), filters.Answer{Err: filters.NewBindError("22P02", `invalid input syntax for type integer: "x"`)}},
		{ask("public", "positive", "", "", "-1"), filters.Answer{Err: filters.NewBindError("23514", `value for domain public.positive violates check constraint "positive_check"`)}},
		{ask("pg_catalog", "json", filters.Eq, "1", "1"), filters.Answer{Err: filters.NewBindError("42883", "operator does not exist: json = json")}},
		{filters.Call{Schema: "pg_catalog", Type: "int4", Array: true, Literal: "{1,}"}, filters.Answer{Err: filters.NewBindError("22P02", "malformed array literal: \"{1,}\"\n\nUnexpected \"}\" character.")}},
	} {
		got, err := o.Ask(context.Background(), s, []filters.Call{c.call})
		if err != nil {
			t.Errorf("Ask(%+v): %v", c.call, err)
			continue
		}
		if diff := cmp.Diff([]filters.Answer{c.want}, got); diff != "" {
			t.Errorf("Ask(%+v) differs (-want +got):\n%s", c.call, diff)
		}
	}
}

// TestOperatorsBoundWhatIsPrinted reads literals of a few bytes of which Postgres
// prints megabytes.
func TestOperatorsBoundWhatIsPrinted(t *testing.T) {
	db := devdb.Open(t)
	o := NewOperators(db.Pool, nil)
	read := func(literal string) filters.Call {
		return filters.Call{Schema: "pg_catalog", Type: "numeric", Array: true, Literal: literal}
	}
	huge := "{1e131071" + strings.Repeat(",1e131071", 9) + "}"
	answers, err := o.Ask(context.Background(), nil, []filters.Call{read("{1e131071}"), read(huge)})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(answers[0].Text), len("{}")+131_072; got != want || answers[0].Err != nil {
		t.Errorf("one number: %d bytes, %v; want %d", got, answers[0].Err, want)
	}
	if got := answers[1]; got.Err == nil || got.Err.SQLState != "54000" || got.Text != "" {
		t.Errorf("ten numbers: %d bytes, %v; want 54000", len(got.Text), got.Err)
	}
}

// TestOperatorsIsolateWhatRaises asks about many calls of which two raise.
func TestOperatorsIsolateWhatRaises(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	reg := prometheus.NewRegistry()
	o, s := NewOperators(db.Pool, reg), &Subject{Role: "anon", Claims: "{}"}
	var calls []filters.Call
	for i := range 50 {
		call := filters.Call{Schema: "pg_catalog", Type: "numeric", Op: filters.Gt, Value: "5", Literal: strings.Repeat("1", 1+i%3), Why: filters.DoubtLiteral}
		if i == 7 || i == 40 {
			call.Literal = "x"
		}
		calls = append(calls, call)
	}
	answers, err := o.Ask(context.Background(), s, calls)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		want := filters.False
		if i%3 == 0 {
			want = filters.True
		}
		switch {
		case i == 7 || i == 40:
			if a.Err == nil {
				t.Errorf("call %d was not refused", i)
			}
		case a.Err != nil || a.Truth != want:
			t.Errorf("call %d: %v, %v; want %v", i, a.Truth, a.Err, want)
		}
	}
	if n := measured(t, reg, "walcast_policy_comparisons_total"); n != 50 {
		t.Errorf("counted %v calls; want 50", n)
	}
}

func TestOperatorsRefuseWhatTakesTooLong(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	o, s := NewOperators(db.Pool, nil), &Subject{Role: "anon", Claims: "{}"}
	o.timeout = 50 * time.Millisecond
	db.Exec("create domain slow as int check (pg_sleep(value) is not null)")
	quick, slow := filters.Call{Schema: "public", Type: "slow", Literal: "0"}, filters.Call{Schema: "public", Type: "slow", Literal: "60"}
	answers, err := o.Ask(context.Background(), s, []filters.Call{quick, slow})
	if err != nil {
		t.Fatal(err)
	}
	if a := answers[0]; a.Err != nil || a.Text != "0" {
		t.Errorf("the quick one is answered %+v", a)
	}
	if a := answers[1]; a.Err == nil || a.Err.SQLState != codeQueryCanceled {
		t.Errorf("the slow one is answered %+v; want SQLSTATE %s", a, codeQueryCanceled)
	}
}

func TestOperatorsFailWhenPostgresIsAway(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	o, s := NewOperators(db.Pool, nil), &Subject{Role: "anon", Claims: "{}"}
	db.Pool.Reset()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := o.Ask(ctx, s, []filters.Call{{Schema: "pg_catalog", Type: "int4", Literal: "1"}}); err == nil {
		t.Error("Ask without a connection succeeds")
	}
}

func TestLocaleIsThatOfTheDatabase(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	got, err := NewOperators(db.Pool, nil).Locale(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var zone string
	if err := db.Pool.QueryRow(context.Background(), "show timezone").Scan(&zone); err != nil {
		t.Fatal(err)
	}
	if want := (filters.Locale{Collate: "C", Ctype: "C", TimeZone: zone}); got != want {
		t.Errorf("Locale = %+v; want %+v", got, want)
	}
}

// A call about comparisons that take too long costs four of them, whatever it
// asks: the rest counts as too slow as well.
func TestComparisonsThatTakeTooLongEndTheirCall(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	o := NewOperators(db.Pool, nil)
	o.timeout = 200 * time.Millisecond
	calls := make([]filters.Call, 64)
	for i := range calls {
		calls[i] = filters.Call{
			Schema: "pg_catalog", Type: "text", Op: filters.Match, Value: strings.Repeat("a", 400) + "b" + strings.Repeat("a", 400),
			Literal: `^(.+)(.+)(.+)(.+)(.+)(.+).*\6\5\4\3\2\1$`,
		}
	}
	c := &comparing{
		operators: o, subject: &Subject{Role: "anon", Claims: "{}"}, form: form{schema: "pg_catalog", typ: "text", op: filters.Match},
		calls: calls, answers: make([]filters.Answer, len(calls)),
	}
	all := make([]int, len(calls))
	for i := range all {
		all[i] = i
	}
	if err := c.ask(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if c.late > lateMost {
		t.Errorf("%d statements took too long; want at most %d", c.late, lateMost)
	}
	for i, a := range c.answers {
		if a.Err == nil || a.Err.SQLState != codeQueryCanceled {
			t.Fatalf("answer %d = %+v; want that it took too long", i, a)
		}
	}
}
