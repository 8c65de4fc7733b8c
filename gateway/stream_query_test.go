package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"walcast/channels"
	"walcast/protocol"
)

func TestReadStreamQuery(t *testing.T) {
	const none = `{"config":{"private":false,"presence":{"enabled":false},"postgres_changes":[]}}`
	bindings := func(list string) string {
		return `{"config":{"private":false,"presence":{"enabled":false},"postgres_changes":` + list + `}}`
	}
	for _, c := range []struct{ name, query, payload, err string }{
		{"a topic alone", "topic=room", none, ""},
		{"a table is public", "topic=room&table=todos", bindings(`[{"schema":"public","table":"todos"}]`), ""},
		{"a schema", "topic=room&schema=app", bindings(`[{"schema":"app"}]`), ""},
		{
			"all of a binding", "topic=room&event=INSERT&schema=app&table=todos&filter=id%3Dgt.5%26&select=id,%20title&int8=string",
			bindings(`[{"event":"INSERT","schema":"app","table":"todos","filter":"id=gt.5&","select":["id","title"],"int8":"string"}]`), "",
		},
		{"values with signs", "topic=room&table=%3Cb%3E", bindings(`[{"schema":"public","table":"<b>"}]`), ""},
		{"a filter without a table is judged with the join", "topic=room&filter=id%3Deq.1", bindings(`[{"filter":"id=eq.1"}]`), ""},
		{
			"several bindings", `topic=room&bindings=[{"table":"a"},{"table":"b","filter":"id=eq.1"}]`,
			bindings(`[{"table":"a"},{"table":"b","filter":"id=eq.1"}]`), "",
		},
		{
			"private with presence", "topic=room&private=true&presence=TRUE",
			`{"config":{"private":true,"presence":{"enabled":true},"postgres_changes":[]}}`, "",
		},
		{"a slip in private", "topic=room&private=ture", "", `private must be true or false, got: "ture"`},
		{"an empty private", "topic=room&private", "", `private must be true or false, got: ""`},
		{"a slip in presence", "topic=room&presence=1", "", `presence must be true or false, got: "1"`},
		{"a slip in named", "topic=room&named=no", "", `named must be true or false, got: "no"`},
		{"a slip in broadcast", "topic=room&broadcast=off", "", `broadcast must be true or false, got: "off"`},
		{"two tables", "topic=room&table=a&table=b", "", "table is given twice: several bindings are written as bindings=[{…},{…}]"},
		{"both notations", "topic=room&table=a&bindings=[]", "", "table and bindings are both given: one or the other"},
		{"bindings that are no list", `topic=room&bindings={"table":"a"}`, "", `bindings must be a JSON array such as [{"event":"*","schema":"public","table":"todos"}]`},
		{"bindings that are null", `topic=room&bindings=null`, "", `bindings must be a JSON array such as [{"event":"*","schema":"public","table":"todos"}]`},
		{"a topic that is no text", "topic=%ff", "", "topic is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			query, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := readStreamQuery(query, http.Header{})
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != c.err || string(got.join.Payload) != c.payload {
				t.Errorf("readStreamQuery = %s, %q; want %s, %q", got.join.Payload, text, c.payload, c.err)
			}
		})
	}
}

func TestReadStreamQueryBesideTheJoin(t *testing.T) {
	for query, want := range map[string]channels.Stream{
		"topic=room":                               {},
		"topic=room&broadcast=true":                {},
		"topic=room&broadcast=false":               {Deaf: true},
		"topic=room&last_event_id=16%2FB374D848:3": {Resume: protocol.Resume{From: "16/B374D848:3"}},
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readStreamQuery(values, http.Header{}); got.Stream != want || got.version != protocol.SSE || err != nil {
			t.Errorf("readStreamQuery(%q) = %+v, %v; want %+v with names", query, got, err, want)
		}
	}
	if got, err := readStreamQuery(url.Values{"topic": {"room"}, "named": {"false"}}, http.Header{}); got.version != protocol.UnnamedSSE || err != nil {
		t.Errorf("readStreamQuery with named=false = %+v, %v; want events without names", got, err)
	}
}

// TestTheHistoryOfAStreamIsOfThePositionBesideIt: a browser repeats the query of its
// first request when it comes back with a newer position in the header.
func TestTheHistoryOfAStreamIsOfThePositionBesideIt(t *testing.T) {
	for _, c := range []struct {
		query, header string
		want          protocol.Resume
	}{
		{"last_event_id=1/2:3&history=7.a.1.b", "", protocol.Resume{From: "1/2:3", History: "7.a.1.b"}},
		{"history=7.a.1.b", "1/2:4", protocol.Resume{From: "1/2:4", History: "7.a.1.b"}},
		{"last_event_id=1/2:3&history=7.a.1.b", "1/2:4", protocol.Resume{From: "1/2:4"}},
		{"history=7.a.1.b", "", protocol.Resume{History: "7.a.1.b"}},
	} {
		values, err := url.ParseQuery("topic=room&" + c.query)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		header.Set("Last-Event-ID", c.header)
		if got, err := readStreamQuery(values, header); got.Resume != c.want || err != nil {
			t.Errorf("readStreamQuery(%q) with header %q = %+v, %v; want %+v", c.query, c.header, got.Resume, err, c.want)
		}
	}
}

// FuzzReadStreamQuery holds that whatever a query says, it is refused or makes a
// join that the hub can read.
func FuzzReadStreamQuery(f *testing.F) {
	for _, seed := range []string{
		"topic=room", "topic=room&table=todos&filter=id%3Deq.1&select=a,b", `topic=a&bindings=[{"table":"a"},null,1]`,
		"private=true&presence=false&topic=%00", "event=%ff&table=%f0%9f", "last_event_id=1/2:3", `bindings=[{"a":"\ud800"}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, _ := url.ParseQuery(text)
		wanted, err := readStreamQuery(query, http.Header{})
		if err != nil {
			return
		}
		if !json.Valid(wanted.join.Payload) {
			t.Fatalf("payload %q is not JSON", wanted.join.Payload)
		}
		join, err := protocol.ParseJoin("room", wanted.join.Payload)
		switch {
		case err != nil && query.Get("bindings") == "":
			t.Fatalf("join of %s is refused: %v", wanted.join.Payload, err)
		case err == nil && (join.Legacy || len(join.Warnings) > 0 && query.Get("bindings") == "" && query.Get("int8") == ""):
			t.Fatalf("join of %s is %+v; want it taken as it is", wanted.join.Payload, join)
		}
	})
}
