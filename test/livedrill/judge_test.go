package livedrill

import (
	"maps"
	"testing"
)

// notesTable is what Postgres says in the tests of the judge: of five rows, the subject sees
// those of room 1. Transaction 7 wrote two of these, 8 one.
func notesTable(t *testing.T) opinion {
	t.Helper()
	o := opinion{rows: map[string]string{}, present: map[string]present{}}
	for _, row := range []struct {
		key, text  string
		xid        uint32
		seen, held bool
	}{
		{"1", `{"id":1,"room":1,"amount":5}`, 7, true, true},
		{"2", `{"id":2,"room":1,"amount":6}`, 7, true, true},
		{"3", `{"id":3,"room":1,"amount":7}`, 8, true, true},
		{"4", `{"id":4,"room":2,"amount":8}`, 8, false, true},
		{"5", `{"id":5,"room":2,"amount":9}`, 9, false, false},
	} {
		record, err := decode([]byte(row.text))
		if err != nil {
			t.Fatal(err)
		}
		o.present[row.key] = present{record, row.held, row.xid}
		if row.seen {
			o.rows[row.key] = canonical(record)
		}
	}
	return o
}

func record(t *testing.T, text string) string {
	t.Helper()
	r, err := decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return canonical(r)
}

func TestEachKindOfFaultIsFoundAlone(t *testing.T) {
	o := notesTable(t)
	for name, c := range map[string]struct {
		spoil func(held map[string]string)
		want  map[kind]int
	}{
		"what SELECT says":                       {func(map[string]string) {}, nil},
		"a row is not there":                     {func(h map[string]string) { delete(h, "2") }, map[kind]int{lost: 1}},
		"the whole of a change is not there":     {func(h map[string]string) { h["3"] = record(t, `{"id":3,"room":1,"amount":1}`) }, map[kind]int{lost: 1}},
		"a part of a transaction is not there":   {func(h map[string]string) { h["2"] = record(t, `{"id":2,"room":1,"amount":1}`) }, map[kind]int{torn: 1}},
		"a row that was deleted":                 {func(h map[string]string) { h["6"] = record(t, `{"id":6,"room":1,"amount":1}`) }, map[kind]int{phantom: 1}},
		"a row that the filter excludes":         {func(h map[string]string) { h["5"] = record(t, `{"id":5,"room":2,"amount":9}`) }, map[kind]int{phantom: 1}},
		"a row that may not be seen":             {func(h map[string]string) { h["4"] = record(t, `{"id":4,"room":2,"amount":8}`) }, map[kind]int{leaked: 1}},
		"some columns of it":                     {func(h map[string]string) { h["4"] = record(t, `{"id":4,"amount":8}`) }, map[kind]int{leaked: 1}},
		"a row lost, one leaked, one too many":   {func(h map[string]string) { delete(h, "1"); h["4"] = record(t, `{"id":4}`); h["9"] = "{}" }, map[kind]int{lost: 1, leaked: 1, phantom: 1}},
		"a column too many":                      {func(h map[string]string) { h["3"] = record(t, `{"id":3,"room":1,"amount":7,"note":"x"}`) }, map[kind]int{lost: 1}},
		"nothing at all":                         {func(h map[string]string) { clear(h) }, map[kind]int{lost: 3}},
		"the row of a transaction under way too": {func(h map[string]string) { h["1"] = record(t, `{"id":1,"room":1,"amount":50}`) }, map[kind]int{torn: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			held := maps.Clone(o.rows)
			c.spoil(held)
			v := judge(held, o)
			got := map[kind]int{}
			for k, texts := range v {
				got[k] = len(texts)
			}
			if len(got)+len(c.want) > 0 && !maps.Equal(got, c.want) {
				t.Errorf("judge finds %v; want %v", v, c.want)
			}
		})
	}
}
