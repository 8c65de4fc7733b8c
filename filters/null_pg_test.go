package filters

import (
	"context"
	"fmt"
	"testing"

	"walcast/replication/wal"
)

// TestNullIsWhatPostgresTakesForIt compares with the database, for values of which
// some are rows.
func TestNullIsWhatPostgresTakesForIt(t *testing.T) {
	l := newLab(t, "C")
	l.exec(t, `create type pair as (a int, b text); create type box1 as (p pair); create domain paired as pair;
		create table things (p pair, d paired, o box1, n int, t text, j jsonb, v int2vector)`)
	rel := l.relation(t, "things")
	values := map[string][]string{
		"p": {"(,)", "(1,)", `(,"")`, "(1,x)"}, "d": {"(,)", `(,"")`}, "o": {"()", `("(,)")`}, "n": {"1"}, "t": {"null", ""}, "j": {"null", "1"}, "v": {"1 2", ""},
	}
	for i, column := range rel.Columns {
		for _, value := range append([]string{"NULL"}, values[column.Name]...) {
			row := make(wal.Row, len(rel.Columns))
			row[i] = wal.Value{Kind: wal.Text, Text: value}
			literal := fmt.Sprintf("'%s'", value)
			if value == "NULL" {
				row[i], literal = wal.Value{Kind: wal.Null}, "NULL"
			}
			of := literal + "::" + column.Type.Name
			for filter, sql := range map[string]string{
				"is.null": of + " is null", "not.is.null": "not (" + of + " is null)",
				"isdistinct.null": of + " is distinct from null", "not.isdistinct.null": "not (" + of + " is distinct from null)",
			} {
				var want bool
				if err := l.pool.QueryRow(t.Context(), "select "+sql).Scan(&want); err != nil {
					t.Fatal(err)
				}
				f := mustParse(t, column.Name+"="+filter)
				if _, err := Resolve(context.Background(), rel, f, l.locale, l, nil); err != nil {
					t.Errorf("Resolve(%s): %v", f, err)
					continue
				}
				e, err := compile(rel, f, l.locale.certainty())
				if err != nil {
					t.Fatal(err)
				}
				if got := e.Eval(row); got != truth(want) {
					t.Errorf("%s of %s is %s; want what %s is, %t", f, value, got, sql, want)
				}
			}
		}
	}
}

// TestVectorsAreCompared: int2vector and oidvector are arrays to Postgres that are
// written without braces.
func TestVectorsAreCompared(t *testing.T) {
	l := newLab(t, "C")
	l.exec(t, "create table keys (v int2vector, o oidvector)")
	rel := l.relation(t, "keys")
	rows := []wal.Row{rowOf("1 2", "16 17"), rowOf("2 1", "16")}
	for text, want := range map[string][2]Truth{
		"v=eq.1 2": {True, False}, "v=neq.1 2": {False, True}, "v=isdistinct.2 1": {True, False}, "o=eq.16": {False, True}, "v=lt.2": {True, False},
		`v=in.("1 2","3")`: {True, False}, `o=in.(16,17)`: {False, True}, `o=not.in.("16 17")`: {False, True}, `v=in.()`: {False, False},
	} {
		f, err := Resolve(t.Context(), rel, mustParse(t, text), l.locale, l, nil)
		if err != nil {
			t.Errorf("Resolve(%s): %v", text, err)
			continue
		}
		got, err := Decide(t.Context(), rel, f, rows, l.locale, l, nil)
		if err != nil || got[0].Truth != want[0] || got[1].Truth != want[1] {
			t.Errorf("%s = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, wrong := range []string{"v=eq.x", "v=in.(x)"} {
		if _, err := Resolve(t.Context(), rel, mustParse(t, wrong), l.locale, l, nil); err == nil {
			t.Errorf("%s is accepted; want the error of Postgres", wrong)
		}
	}
}
