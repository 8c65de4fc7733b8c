package filters

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"walcast/replication/wal"
)

// TestFiltersHoldForTheSameRowsInSQL puts random conditions to values, as a change's
// filter and as the condition of a query of its table.
func TestFiltersHoldForTheSameRowsInSQL(t *testing.T) {
	l := newLab(t, "C.UTF-8")
	rel, values := l.table(t)
	compared := 0
	rapid.Check(t, func(rt *rapid.T) {
		l.tryInSQL(rt, rel, rapid.SliceOfN(trials(values), 20, 60).Draw(rt, "trials"), &compared)
	})
	if compared < 1000 {
		t.Errorf("only %d conditions were compared", compared)
	}
}

// tryInSQL compares each trial that is not refused at join with the same in SQL.
func (l *lab) tryInSQL(t *rapid.T, rel *wal.Relation, list []trial, compared *int) {
	ctx := context.Background()
	var asked []trial
	var want []Answer
	var sql []string
	var given []*string
	for _, tr := range list {
		f, err := Resolve(ctx, rel, Filter{tr.condition}, l.locale, l, nil)
		var refused *BindError
		if errors.As(err, &refused) {
			continue
		}
		decisions, err2 := Decide(ctx, rel, f, []wal.Row{trialRow(rel, tr)}, l.locale, l, nil)
		where, err3 := SQL(rel, f, Spelling{})
		if err := errors.Join(err, err2, err3); err != nil {
			t.Fatal(err)
		}
		typ := rel.Columns[tr.column].Type
		asked, want = append(asked, tr), append(want, Answer{Truth: decisions[0].Truth, Err: decisions[0].Err})
		sql = append(sql, fmt.Sprintf(`(select %s from (select $1::%q.%q as c%d) as t)`, where, typ.Schema, typ.Name, tr.column))
		given = append(given, tr.value)
	}
	got, err := l.decide(ctx, sql, given, make([]*string, len(sql)))
	if err != nil {
		t.Fatal(err)
	}
	for i, tr := range asked {
		*compared++
		a, describe := got[i].answer(), fmt.Sprintf("%s: value %s", sql[i], show(tr.value))
		switch {
		case a.Err != nil && tr.condition.Op == In && strings.Trim(tr.condition.Value, "{}NUL") == "":
			// A list without values cannot show that the type has no equality.
		case a.Err != nil && want[i].Err == nil:
			t.Errorf("%s raises %s %s; the filter is %s", describe, a.Err.SQLState, a.Err.Message, want[i].Truth)
		case a.Err == nil && want[i].Err == nil && a.Truth != want[i].Truth:
			t.Errorf("%s = %s; the filter is %s", describe, a.Truth, want[i].Truth)
		}
	}
}

// trialRow is a row of nulls but for the value of a trial.
func trialRow(rel *wal.Relation, tr trial) wal.Row {
	row := make(wal.Row, len(rel.Columns))
	for i := range row {
		row[i].Kind = wal.Null
	}
	if tr.value != nil {
		row[tr.column] = wal.Value{Kind: wal.Text, Text: *tr.value}
	}
	return row
}

func TestFiltersInSQLReadAsTheyAreWritten(t *testing.T) {
	rel := &wal.Relation{Columns: []wal.Column{
		{Name: "id", Type: wal.BuiltinTypeByName("int4")},
		{Name: `o"dd`, Type: wal.BuiltinTypeByName("text")},
		{Name: "doc", Type: wal.BuiltinTypeByName("jsonb")},
		{Name: "raw", Type: wal.BuiltinTypeByName("bytea")},
		{Name: "mood", Type: &wal.Type{OID: 99999, Schema: "s", Name: "mood", Kind: wal.KindEnum, Labels: []string{"ok"}}},
	}}
	for filter, want := range map[string]string{
		"":                        "true",
		"id=eq.5":                 `((t."id" operator(pg_catalog.=) '5'::"pg_catalog"."int4"))`,
		`o"dd=like.it's%`:         `(((t."o""dd" collate pg_catalog."default") operator(pg_catalog.~~) 'it''s%'::pg_catalog.text))`,
		"doc->a->>-1=not.eq.x":    `((not (((t."doc" operator(pg_catalog.->) 'a'::pg_catalog.text) operator(pg_catalog.->>) (-1)::pg_catalog.int4) operator(pg_catalog.=) 'x'::"pg_catalog"."text")))`,
		"raw=in.(00ff)":           `((t."raw" operator(pg_catalog.=) any ('{"\\x00ff"}'::"pg_catalog"."bytea"[])))`,
		"or=(id.is.null,id.gt.1)": `(((t."id" is null) or (t."id" operator(pg_catalog.>) '1'::"pg_catalog"."int4")))`,
		"mood=eq.ok,id=neq.1":     `((t."mood" operator(pg_catalog.=) 'ok'::"s"."mood") and (t."id" operator(pg_catalog.<>) '1'::"pg_catalog"."int4"))`,
		"mood=isdistinct.ok":      `((case when t."mood" is distinct from null then not (t."mood" operator(pg_catalog.=) 'ok'::"s"."mood") else true end))`,
		"id=isdistinct.null":      `((t."id" is distinct from null))`,
	} {
		f, err := Parse(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := SQL(rel, f, Spelling{}); err != nil || got != want {
			t.Errorf("SQL(%s) = %s, %v; want %s", filter, got, err, want)
		}
	}
	f, _ := Parse("mood=eq.ok")
	if got, err := SQL(rel, f, Spelling{Untyped: true}); err != nil || got != `((t."mood" operator(pg_catalog.=) 'ok'))` {
		t.Errorf("untyped SQL = %s, %v", got, err)
	}
}
