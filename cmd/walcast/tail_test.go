package main

import (
	"testing"
	"time"

	"walcast/internal/await"
	"walcast/internal/subscriber"
)

func TestTailPrintsForPeople(t *testing.T) {
	t.Parallel()
	const at = `"schema":"public","table":"todos","commit_timestamp":"2026-08-21T12:03:56.711Z"`
	clock := time.Date(2026, 8, 21, 12, 3, 56, 711e6, time.UTC).Local().Format("15:04:05.000")
	place := subscriber.Place{Position: "16/B374D848:3"}
	for _, c := range []struct {
		name string
		of   subscriber.Event
		want string
	}{
		{
			"a new row",
			subscriber.Event{Name: "postgres_changes", At: place, Payload: []byte(`{"data":{"type":"INSERT",` + at + `,"record":{"id":1,"title":"milk"}}}`)},
			clock + ` INSERT   public.todos {"id":1,"title":"milk"} 16/B374D848:3` + "\n",
		},
		{
			"what an UPDATE has changed",
			subscriber.Event{Name: "postgres_changes", At: place, Payload: []byte(`{"data":{"type":"UPDATE",` + at + `,"record":{"id":1,"title":"tea"},"old_record":{"id":1,"title":"milk"}}}`)},
			clock + ` UPDATE   public.todos {"id":1,"title":"tea"} was {"title":"milk"} 16/B374D848:3` + "\n",
		},
		{
			"a row that is gone",
			subscriber.Event{Name: "postgres_changes", At: place, Payload: []byte(`{"data":{"type":"DELETE",` + at + `,"old_record":{"id":1}}}`)},
			clock + ` DELETE   public.todos {"id":1} 16/B374D848:3` + "\n",
		},
		{
			"a table that is emptied",
			subscriber.Event{Name: "postgres_changes", At: place, Payload: []byte(`{"data":{"type":"TRUNCATE",` + at + `}}`)},
			clock + ` TRUNCATE public.todos 16/B374D848:3` + "\n",
		},
		{
			"what a row lacks",
			subscriber.Event{Name: "postgres_changes", At: place, Payload: []byte(`{"data":{"type":"INSERT",` + at + `,"record":{},"errors":["Error 413: Payload Too Large"]}}`)},
			clock + ` INSERT   public.todos {} Error 413: Payload Too Large 16/B374D848:3` + "\n",
		},
		{
			"what a terminal would obey",
			subscriber.Event{Name: "postgres_changes", At: place, Payload: []byte(`{"data":{"type":"INSERT",` + at + ",\"record\":{\"a\":\"\u009b31m \u202e\"}}}")},
			clock + ` INSERT   public.todos {"a":"\u009b31m \u202e"} 16/B374D848:3` + "\n",
		},
		{
			"a broadcast",
			subscriber.Event{Topic: "room1", Name: "broadcast", Payload: []byte(`{"event":"cursor","type":"broadcast","payload":{"x":1}}`)},
			`broadcast room1 cursor {"x":1}` + "\n",
		},
		{
			"a broadcast of bytes",
			subscriber.Event{Topic: "room1", Name: "broadcast", Payload: []byte(`{"event":"cursor","type":"broadcast","base64":"AP8="}`)},
			`broadcast room1 cursor base64 AP8=` + "\n",
		},
		{
			"who is there",
			subscriber.Event{Topic: "room1", Name: "presence_state", Payload: []byte(`{"bob":{"metas":[{"at":"door"}]},"ann":{"metas":[{"at":"desk"}]}}`)},
			`presence  room1 + ann {"at":"desk"}` + "\n" + `presence  room1 + bob {"at":"door"}` + "\n",
		},
		{
			"who comes and goes",
			subscriber.Event{Topic: "room1", Name: "presence_diff", Payload: []byte(`{"joins":{"ann":{"metas":[{}]}},"leaves":{"bob":{"metas":[{}]}}}`)},
			"presence  room1 + ann {}\npresence  room1 - bob {}\n",
		},
	} {
		out, notes := await.NewOutput(), await.NewOutput()
		p := &tailPrinter{out: out, notes: notes}
		p.Event(c.of)
		if out.String() != c.want || notes.String() != "" {
			t.Errorf("%s: printed\n%sand noted %q; want\n%s", c.name, out, notes, c.want)
		}
	}
}

func TestTailTellsWhatMendsIt(t *testing.T) {
	t.Parallel()
	out, notes := await.NewOutput(), await.NewOutput()
	p := &tailPrinter{out: out, notes: notes}
	p.Event(subscriber.Event{Name: "system", Payload: []byte(`{"status":"error","message":"it is not published","fix":"alter publication","cost":"more WAL"}`)})
	if want := "walcast: it is not published\nwalcast: to mend it: alter publication\nwalcast: what that costs: more WAL\n"; notes.String() != want || out.String() != "" {
		t.Errorf("noted\n%sand printed %q; want\n%s", notes, out, want)
	}
}

func TestTailsColoursEndWhereTheyBegan(t *testing.T) {
	t.Parallel()
	out := await.NewOutput()
	p := &tailPrinter{out: out, notes: out, colours: true}
	p.Event(subscriber.Event{Topic: "room1", Name: "broadcast", Payload: []byte(`{"event":"cursor","payload":1}`)})
	if want := "\x1b[34mbroadcast\x1b[0m room1 cursor 1\n"; out.String() != want {
		t.Errorf("printed %q; want %q", out, want)
	}
}
