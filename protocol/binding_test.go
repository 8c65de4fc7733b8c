package protocol

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func bindingsOf(t testing.TB, raw ...string) *Join {
	t.Helper()
	j, err := ParseJoin("room", []byte(`{"config":{"postgres_changes":[`+strings.Join(raw, ",")+`]}}`))
	if err != nil {
		t.Fatalf("ParseJoin with %s: %v", raw, err)
	}
	return j
}

func TestBinding(t *testing.T) {
	for _, c := range []struct {
		raw     string
		want    Binding
		warning string
	}{
		{
			raw:  `{"event":"INSERT","schema":"public","table":"todos","filter":"id=eq.1","select":["title","id","title",5,null]}`,
			want: Binding{Event: "INSERT", Schema: "public", Table: "todos", Filter: "id=eq.1", Select: []string{"id", "title"}},
		},
		{raw: `{"event":"uPDATE","schema":"s"}`, want: Binding{Event: "UPDATE", Schema: "s", Table: "*"}},
		{raw: `{"event":"TRUNCATE","table":"t"}`, want: Binding{Event: "TRUNCATE", Schema: "public", Table: "t"}},
		{raw: `{"schema":"*","table":"*","filter":" "}`, want: Binding{Event: "*", Schema: "*", Table: "*", Filter: " "}},
		{raw: `{"event":null,"schema":"s","select":[]}`, want: Binding{Event: "*", Schema: "s", Table: "*"}},
		{raw: `{"event":"*","schema":"s","table":"t","select":{"a":1}}`, want: Binding{Event: "*", Schema: "s", Table: "t"}},
		{raw: `{"schema":"","table":""}`, want: Binding{Event: "*"}},
		{
			raw:  `{"event":"*","table":"t","snapshot":true,"order":"a.desc,b","limit":10}`,
			want: Binding{Event: "*", Schema: "public", Table: "t", Live: Live{Snapshot: true}, Page: &Page{"a.desc,b", "10"}},
		},
		{raw: `{"event":"*","table":"t","order":null,"limit":"7"}`, want: Binding{Event: "*", Schema: "public", Table: "t", Page: &Page{Limit: "7"}}},
		{raw: `{"event":"*","table":"t","order":["a"],"limit":{}}`, want: Binding{Event: "*", Schema: "public", Table: "t", Page: &Page{`["a"]`, "{}"}}},

		{
			raw:  `{"event":"bogus","schema":"s"}`,
			want: Binding{Event: "bogus", Schema: "s", Table: "*", Err: errorEvent + `"bogus"`},
		},
		{
			raw:  `{"event":["INSERT"],"schema":"s"}`,
			want: Binding{Event: `["INSERT"]`, Schema: "s", Table: "*", Err: errorEvent + `["INSERT"]`},
		},
		{
			raw:  `{"schema":"s","filter":"id=eq.1"}`,
			want: Binding{Event: "*", Err: errorNoParams + `%{"filter" => "id=eq.1", "schema" => "s"}`},
		},
		{
			raw:  `{"table":"t","filter":"id=eq.1"}`,
			want: Binding{Event: "*", Err: errorNoParams + `%{"filter" => "id=eq.1", "table" => "t"}`},
		},
		{
			raw:  `{"schema":"s","table":"t","filter":null}`,
			want: Binding{Event: "*", Err: errorNoParams + `%{"filter" => nil, "schema" => "s", "table" => "t"}`},
		},
		{raw: `{"schema":5,"table":"t"}`, want: Binding{Event: "*", Err: errorNoParams + `%{"schema" => 5, "table" => "t"}`}},
		{raw: `{"auth_token":"secret"}`, want: Binding{Event: "*", Err: errorNoParams + "<redacted>"}},
		{raw: `{"schema":"s","table":"t","select":"id"}`, want: Binding{Event: "*", Schema: "s", Table: "t", Err: errorSelectString}},
		{
			raw:  `{"schema":"s","select":["id"]}`,
			want: Binding{Event: "*", Schema: "s", Table: "*", Select: []string{"id"}, Err: errorSelectWildcard},
		},
		{
			raw:  `{"schema":"*","table":"t","select":["id"]}`,
			want: Binding{Event: "*", Schema: "*", Table: "t", Select: []string{"id"}, Err: errorSelectWildcard},
		},

		{
			raw:  `{"table":"t","int8":"string","resume":{"from":"16/B374D848:3"},"snapshot":true,"view":"TRUE"}`,
			want: Binding{Event: "*", Schema: "public", Table: "t", Int8AsString: true, Resume: &Resume{From: "16/B374D848:3"}, Live: Live{Snapshot: true, View: true}},
		},
		{
			raw:  `{"table":"t","transactions":true,"order":"id.asc","limit":10}`,
			want: Binding{Event: "*", Schema: "public", Table: "t", Live: Live{Transactions: true}, Page: &Page{"id.asc", "10"}},
		},
		{
			raw: `{"table":"t","transactions":"yes"}`, want: Binding{Event: "*", Schema: "public", Table: "t"},
			warning: "warning: postgres_changes.transactions: unable to parse, expected boolean; false is used",
		},
		{raw: `{"table":"t","int8":"number","resume":{"from":null},"snapshot":null}`, want: Binding{Event: "*", Schema: "public", Table: "t", Resume: &Resume{}}},
		{
			raw:  `{"table":"t","resume":{"from":"16/B374D848:3","history":"7001.a.1.b"}}`,
			want: Binding{Event: "*", Schema: "public", Table: "t", Resume: &Resume{From: "16/B374D848:3", History: "7001.a.1.b"}},
		},
		{
			raw: `{"table":"t","resume":{"from":"16/B374D848:3","history":7}}`, want: Binding{Event: "*", Schema: "public", Table: "t", Resume: &Resume{From: "16/B374D848:3"}},
			warning: `warning: postgres_changes.resume.history: unable to parse, expected a string; the position is taken for one of this server`,
		},
		{raw: `{"table":"t","resume":null}`, want: Binding{Event: "*", Schema: "public", Table: "t", Resume: &Resume{}}},
		{raw: `{"table":"t","resume":{}}`, want: Binding{Event: "*", Schema: "public", Table: "t", Resume: &Resume{}}},
		{
			raw: `{"table":"t","int8":true}`, want: Binding{Event: "*", Schema: "public", Table: "t"},
			warning: `warning: postgres_changes.int8: unable to parse, expected "string" or "number"; numbers are used`,
		},
		{
			raw: `{"table":"t","resume":"16/B374D848:3"}`, want: Binding{Event: "*", Schema: "public", Table: "t", Resume: &Resume{}},
			warning: `warning: postgres_changes.resume: unable to parse, expected {"from": "<position>"}; changes are live from now`,
		},
		{
			raw: `{"table":"t","resume":{"from":7}}`, want: Binding{Event: "*", Schema: "public", Table: "t", Resume: &Resume{}},
			warning: `warning: postgres_changes.resume: unable to parse, expected {"from": "<position>"}; changes are live from now`,
		},
		{
			raw: `{"table":"t","view":1}`, want: Binding{Event: "*", Schema: "public", Table: "t"},
			warning: "warning: postgres_changes.view: unable to parse, expected boolean; false is used",
		},
	} {
		t.Run(c.raw, func(t *testing.T) {
			j := bindingsOf(t, c.raw)
			c.want.Raw = json.RawMessage(c.raw)
			if diff := cmp.Diff(c.want, j.Bindings[0], cmpopts.IgnoreFields(Binding{}, "ID")); diff != "" {
				t.Errorf("binding differs (-want +got):\n%s", diff)
			}
			if got := strings.Join(j.Warnings, "; "); got != c.warning {
				t.Errorf("warnings %q; want %q", got, c.warning)
			}
		})
	}
}

func TestBindingIDsAreOfTheContent(t *testing.T) {
	equal := [][]string{
		{`{"a":1,"b":{"c":[1,{"x":"ü","y":null}],"d":2}}`, ` { "b" : {"d":2,"c":[ 1 ,{"y":null,"x":"\u00fc"}]} , "a" : 1 } `},
		{`{"a":1}`, `{"a":2,"a":1}`},
		{`{}`, `{ }`},
		{`{"a":1}`, `{"resume":{"from":"16/B374D848:3"},"a":1}`},
	}
	for _, pair := range equal {
		if j := bindingsOf(t, pair...); j.Bindings[0].ID != j.Bindings[1].ID {
			t.Errorf("ids of %v are %d and %d; want them equal", pair, j.Bindings[0].ID, j.Bindings[1].ID)
		}
	}
	different := []string{
		`{}`, `{"a":1}`, `{"a":"1"}`, `{"a":1.0}`, `{"a":null}`, `{"a":[]}`, `{"a":{}}`, `{"a":[1,2]}`, `{"a":[2,1]}`, `{"a":[[1],2]}`, `{"a":[1,[2]]}`,
		`{"b":1}`, `{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"a":"b"}`, `{"a":{"b":1}}`, `{"ab":1}`, `{"":"a"}`, `{"a":true}`, `{"a":"true"}`, `{"a":9007199254740992}`, `{"a":9007199254740993}`,
		`{"a":{"b":1,"resume":1}}`, `{"a":{"b":1,"resume":2}}`,
	}
	seen := map[int64]string{}
	for i, b := range bindingsOf(t, different...).Bindings {
		if before, ok := seen[b.ID]; ok || b.ID < 1 || b.ID > maxID {
			t.Errorf("id of %s is %d, as that of %q; want another between 1 and 2^31-1", different[i], b.ID, before)
		}
		seen[b.ID] = different[i]
	}
}

// An id is a promise: clients of all nodes and versions share frames by it.
func TestBindingIDsDoNotChange(t *testing.T) {
	for raw, want := range map[string]int64{
		`{"event":"*","schema":"public","table":"tr_todo"}`:                              480149164,
		`{"event":"INSERT","schema":"public","table":"todos","filter":"id=eq.1"}`:        743175410,
		`{"select":["id","title"],"event":"*","schema":"public","table":"todos","n":[]}`: 813240642,
	} {
		if got := bindingsOf(t, raw).Bindings[0].ID; got != want {
			t.Errorf("id of %s = %d; want %d", raw, got, want)
		}
	}
}

func TestBindingIDsMakeRoomForCollisions(t *testing.T) {
	ids := newBindingIDs()
	first, second := value(`{"a":1}`), value(`{"a":2}`)
	id := ids.next(first)
	h := bindingHash(second)
	wanted := int64((h ^ h>>32) & maxID)
	ids.taken[wanted], ids.taken[int64(mixed(h+1)&maxID)] = true, true
	if got, want := ids.next(second), int64(mixed(h+2)&maxID); got != want {
		t.Errorf("id with two taken = %d; want %d", got, want)
	}
	if got := ids.next(first); got != id {
		t.Errorf("id of the same content = %d; want %d again", got, id)
	}
}

func contentHash(v value) uint64 {
	r := newReader(v)
	defer r.close()
	return r.hash()
}

func TestContentHashIsTheSameWhateverTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := anyJSON(3).Draw(t, "json")
		v, _ := parse([]byte(text))
		hash := contentHash(v)
		again := []byte(fmt.Sprintf(" %s ", reorder(v)))
		w, ok := parse(again)
		if got := contentHash(w); !ok || got != hash {
			t.Fatalf("contentHash of %s is another than of %s", w, v)
		}
	})
}

// reorder writes a value with the pairs of objects in order.
func reorder(v value) string {
	var parts []string
	switch v.kind() {
	case '[':
		for e := range v.elements() {
			parts = append(parts, reorder(e))
		}
		return "[" + strings.Join(parts, " , ") + "]"
	case '{':
		for _, m := range v.sorted() {
			parts = append(parts, string(appendQuoted(nil, m.name))+" : "+reorder(m.value))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return string(v)
}

// A deep text must not be read once for each level.
func TestDeepBindingsAreReadInOnePass(t *testing.T) {
	const depth = 9000
	raw := strings.Repeat(`{"b":1,"a":`, depth) + `"` + strings.Repeat("x", 1<<20) + `"` + strings.Repeat("}", depth)
	j := bindingsOf(t, raw)
	if len(j.Bindings[0].Err) > 1000 {
		t.Errorf("the error repeats %d bytes of what the client sent", len(j.Bindings[0].Err))
	}
}
