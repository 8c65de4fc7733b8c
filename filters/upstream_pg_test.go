package filters

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"walcast/replication/wal"
)

// upstreamTable is the table of the recording.
const upstreamTable = `
	create type tr_mood as enum ('sad', 'ok', 'happy');
	create domain tr_posint as integer check (value > 0);
	create domain tr_dtext as text;
	create table tr_f (id int primary key, i int, i8 bigint, n numeric, f double precision, t text, vc varchar(20), ch char(4), b bool,
		ts timestamptz, d date, tm time, u uuid, e tr_mood, dom tr_posint, dt tr_dtext, j jsonb, arr int[], bt bytea, iv interval, ip inet)`

// differences are the recorded filters that we answer in another way.
var differences = map[string]struct {
	rows []int
	why  string
}{
	"n=eq.NaN":                  {[]int{4}, "NaN is a value, upstream makes it null"},
	"n=gt.1.5":                  {[]int{4, 5, 6, 8}, "NaN is a value, greater than all others"},
	"n=gt.99999999999999999999": {[]int{4, 8}, "NaN is a value, greater than all others"},
	"f=eq.NaN":                  {[]int{4}, "NaN is a value"},
	"f=gt.1e299":                {[]int{4, 8}, "NaN is a value, greater than all others"},
	"ch=eq.ab":                  {[]int{1}, "char(n) is compared whole"},
	"ch=eq.ab  ":                {[]int{1}, "char(n) is compared whole"},
	"ch=eq.a":                   {[]int{5}, "char(n) is compared whole"},
	"ch=in.(ab,AB)":             {[]int{1, 2}, "char(n) is compared whole"},
	"ch=gt.a":                   {[]int{1}, "char(n) is compared whole"},
	`bt=eq.\x00ff`:              {[]int{1}, "bytea is compared"},
	"t=isdistinct.null":         {[]int{1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, "it tests for NULL, not for the text"},
	"j=eq.null":                 {[]int{4}, "the JSON null is a value, upstream makes it NULL"},
}

func TestFiltersSelectTheRowsThatUpstreamDelivers(t *testing.T) {
	l := newLab(t, "C.UTF-8")
	l.exec(t, upstreamTable)
	rel := l.relation(t, "tr_f")
	rows := readRows(t, rel, "../testdata/filters/rows.jsonl")
	var recorded struct {
		Filter, Refused string
		Rows            []int
	}
	for line := range lines(t, "../testdata/filters/upstream.jsonl") {
		recorded.Refused, recorded.Rows = "", nil
		if err := json.Unmarshal(line, &recorded); err != nil {
			t.Fatal(err)
		}
		t.Run(recorded.Filter, func(t *testing.T) {
			want := recorded.Rows
			if d, ok := differences[recorded.Filter]; ok {
				want = d.rows
			}
			got, refused := l.selectRows(t, rel, recorded.Filter, rows)
			if refused != recorded.Refused {
				t.Fatalf("refused with %q; want %q", refused, recorded.Refused)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("rows differ (-want +got):\n%s", diff)
			}
		})
	}
}

// selectRows returns the numbers, from 1, of the rows for which a filter holds.
func (l *lab) selectRows(t *testing.T, rel *wal.Relation, text string, rows []wal.Row) (numbers []int, refused string) {
	t.Helper()
	ctx := context.Background()
	f, err := Parse(text)
	if err != nil {
		return nil, err.Error()
	}
	f, err = Resolve(ctx, rel, f, l.locale, l, nil)
	var e Expr
	if err == nil {
		e, err = compile(rel, f, l.locale.certainty())
	}
	if err != nil {
		return nil, err.Error()
	}
	for i, row := range rows {
		truth, err := decideAlone(ctx, e, row, l)
		if err != nil {
			t.Fatal(err)
		}
		if truth == True {
			numbers = append(numbers, i+1)
		}
	}
	return numbers, ""
}

// readRows reads rows as objects of column and text; a missing column is NULL.
func readRows(t *testing.T, rel *wal.Relation, path string) []wal.Row {
	t.Helper()
	var rows []wal.Row
	for line := range lines(t, path) {
		var values map[string]string
		if err := json.Unmarshal(line, &values); err != nil {
			t.Fatal(err)
		}
		row := make(wal.Row, len(rel.Columns))
		for i, c := range rel.Columns {
			row[i].Kind = wal.Null
			if text, ok := values[c.Name]; ok {
				row[i] = wal.Value{Kind: wal.Text, Text: text}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func lines(t *testing.T, path string) func(func([]byte) bool) {
	t.Helper()
	return func(yield func([]byte) bool) {
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		scanner := bufio.NewScanner(file)
		for scanner.Scan() && yield(scanner.Bytes()) {
		}
	}
}

// acceptances are filters that upstream was recorded to refuse, and we accept.
var acceptances = map[string]string{
	"or=(id.eq.1,id.eq.2)": "groups are known",
	"arr=cs.{1}":           "cs is known",
	"id=isdistinct.null":   "it tests for NULL",
	"vc=like.a%":           "varchar has patterns",
	"vc=match.a":           "varchar has patterns",
}

func TestFiltersAreRefusedAsUpstreamDoes(t *testing.T) {
	l := newLab(t, "C.UTF-8")
	l.exec(t, `create type tr_mood as enum ('sad', 'ok', 'happy');
		create table tr_todo (id int primary key, title text, done bool, n int, ts timestamptz, u uuid, vc varchar(20), js jsonb, arr int[], m tr_mood)`)
	rel := l.relation(t, "tr_todo")
	for line := range lines(t, "../testdata/filters/refusals.jsonl") {
		var recorded struct{ Filter, Refused string }
		if err := json.Unmarshal(line, &recorded); err != nil {
			t.Fatal(err)
		}
		want := recorded.Refused
		if _, ok := acceptances[recorded.Filter]; ok {
			want = ""
		}
		got := ""
		f, err := Parse(recorded.Filter)
		if err == nil {
			_, err = Resolve(context.Background(), rel, f, l.locale, l, nil)
		}
		var wrong *BindError
		if errors.As(err, &wrong) {
			got = fmt.Sprintf("ERROR %s (%s) %s", wrong.SQLState, wrong.Condition, wrong.Message)
		} else if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("filter %q is refused with %q; want %q", recorded.Filter, got, want)
		}
	}
}
