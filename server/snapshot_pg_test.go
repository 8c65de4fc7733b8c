package server

import (
	"bufio"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func TestASnapshotComesBeforeTheChangesThatItLacks(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	k := s.joinTable(t, firstRows("notes", `,"filter":"room=neq.2","order":"id"`)+`,{"event":"INSERT","schema":"public","table":"notes","filter":"room=eq.2"}`)
	if what, p := k.step(); what != "phx_reply ok" || p.Response.Position != nil {
		t.Errorf("first came %s %+v; want the reply without a position", what, p)
	}
	k.ask(room, "p", `{}`) // is answered after the rows
	if what := k.until("Subscribed to PostgreSQL"); what.Status != "ok" {
		t.Errorf("the bindings are armed with %+v", what)
	}
	begin := k.until("snapshot_begin")
	if begin.Reason != "join" || !slices.Equal(begin.Key, []string{"id"}) || len(begin.Bindings) != 1 || begin.Snapshot == "" {
		t.Errorf("snapshot_begin = %+v; want the key and the reason join", begin)
	}
	end := k.until("snapshot_end")
	if end.Rows != 13 || end.Position == "" || end.Bindings[0] != begin.Bindings[0] {
		t.Errorf("snapshot_end = %+v; want 13 rows and a position", end)
	}
	k.until("progress p")
	k.want(db, noteRows+` where room <> 2`)
	db.Exec(`begin; insert into notes values (100, 1, 'x'); delete from notes where id = 3; update notes set body = null where id = 4; commit`)
	k.want(db, noteRows+` where room <> 2`)
}

// Whatever is under way while the snapshot is taken comes once, if at all.
func TestASnapshotAndWhatIsUnderWay(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	long, rolled, prepared, undone := open(t, db), open(t, db), open(t, db), open(t, db)
	long(`begin; update notes set body = 'long' where id = 1; savepoint a; insert into notes values (101, 1, 'a'); release a;
		savepoint b; insert into notes values (102, 1, 'b'); rollback to b; savepoint c; update notes set body = 'c' where id = 101; release c`)
	rolled(`begin; delete from notes where id = 2; insert into notes values (103, 1, 'no')`)
	prepared(`begin; insert into notes values (104, 1, 'p'); update notes set body = 'p' where id = 3; prepare transaction 'one'`)
	undone(`begin; insert into notes values (105, 1, 'u'); prepare transaction 'two'`)
	db.Exec(`insert into notes values (106, 1, 'before')`)
	k := s.keep(t, firstRows("notes", ""))
	k.want(db, noteRows)
	db.Exec(`insert into notes values (107, 1, 'after')`)
	late := s.keep(t, firstRows("notes", ""))
	long(`insert into notes values (108, 1, 'l'); commit`)
	k.want(db, noteRows)
	rolled(`rollback`)
	db.Exec(`commit prepared 'one'`)
	db.Exec(`rollback prepared 'two'`)
	for _, each := range []*table{k, late} {
		each.want(db, noteRows)
	}
}

func TestAnEventStreamHasTheRowsAndThenTheChanges(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	read := func(query string, header string) (lines *bufio.Scanner, done func()) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/sse?topic=room&apikey="+token(t)+"&"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set("Last-Event-ID", header)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("stream = %v, %v", resp, err)
		}
		return bufio.NewScanner(resp.Body), func() { resp.Body.Close() }
	}
	defer http.DefaultClient.CloseIdleConnections()
	lines, done := read("table=notes&snapshot=true&order=id.desc&limit=2&filter="+url.QueryEscape("room=eq.1"), "")
	var got []string
	id := ""
	for lines.Scan() {
		text := lines.Text()
		if field, value, _ := strings.Cut(text, ": "); field == "id" {
			id = value
		}
		if strings.Contains(text, `"snapshot_end"`) {
			break
		}
		if id != "" && strings.HasPrefix(text, "data: ") {
			t.Errorf("the id %s comes with %s", id, text)
		}
		if i := strings.Index(text, `"record":`); i > 0 {
			got = append(got, text[i:i+len(`"record":{"id":19`)])
		}
	}
	if want := []string{`"record":{"id":19`, `"record":{"id":16`}; !slices.Equal(got, want) || id == "" {
		t.Errorf("rows are %q, and the id at the end is %q; want %q and an id", got, id, want)
	}
	db.Exec(`insert into notes values (200, 1, 'x')`)
	for lines.Scan() && !strings.Contains(lines.Text(), `"id":200`) {
	}
	done()
	again, done := read("table=notes&snapshot=true&filter="+url.QueryEscape("room=eq.1"), id)
	defer done()
	for again.Scan() && !strings.Contains(again.Text(), `"id":200`) {
		if strings.Contains(again.Text(), "snapshot_begin") {
			t.Error("a stream that goes on gets a snapshot again")
		}
	}
}

func TestAResumeLeavesTheSnapshotOut(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	k := s.keep(t, firstRows("notes", ""))
	for range 3 { // from the end of the snapshot, and from later
		from := k.last
		db.Exec(`update notes set body = body || '+' where id <= 3`)
		again := s.joinTable(t, firstRows("notes", `,"resume":{"from":"`+from+`"}`))
		again.rows, again.key = cloneRows(k.rows), k.key
		again.want(db, noteRows)
		k.want(db, noteRows)
		if len(again.reasons) > 0 {
			t.Errorf("a resume from %s got snapshots %q; want none", from, again.reasons)
		}
	}
	gone := s.keep(t, firstRows("notes", `,"resume":{"from":"0/10:0"}`))
	if !slices.Equal(gone.reasons, []string{"resync"}) || slices.Contains(gone.told, "position_too_old") {
		t.Errorf("a resume from what has left the log got snapshots %q and was told %q; want one to resync alone", gone.reasons, gone.told)
	}
	gone.want(db, noteRows)
}

func cloneRows(rows map[string]string) map[string]string {
	own := map[string]string{}
	for k, v := range rows {
		own[k] = v
	}
	return own
}

// The slot is gone, so that changes may be lost: the rows come anew, and nobody is told
// to fetch them.
func TestALostSlotBringsTheRowsAnew(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	k := s.keep(t, firstRows("notes", ""))
	both := s.keep(t, firstRows("notes", "")+`,{"event":"INSERT","schema":"public","table":"notes"}`)
	dropSlot(t, db)
	for _, each := range []*table{k, both} {
		each.until("snapshot_end")
		if !slices.Equal(each.reasons, []string{"join", "resync"}) {
			t.Errorf("snapshots came for %q; want join and resync", each.reasons)
		}
	}
	if slices.Contains(k.told, "slot_missing") || !slices.Contains(both.told, "slot_missing") {
		t.Errorf("told were %q alone and %q beside a plain binding; want slot_missing for the second only", k.told, both.told)
	}
	db.Exec(`update notes set body = 'new' where id = 1`)
	k.want(db, noteRows)
}

func TestAResumeAfterARestartLeavesTheSnapshotOut(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	k := s.keep(t, firstRows("notes", ""))
	db.Exec(`update notes set body = 'before' where id = 1`)
	k.want(db, noteRows)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	db.Exec(`delete from notes where id = 2`)
	next := startServer(t, configFor(db))
	again := next.joinTable(t, firstRows("notes", `,"resume":{"from":"`+k.last+`"}`))
	again.rows, again.key = cloneRows(k.rows), k.key
	again.want(db, noteRows)
	if len(again.reasons) > 0 {
		t.Errorf("the resume got snapshots %q; want none", again.reasons)
	}
}

// A client_id proves nothing of rows: each join without a position has them anew, and
// nobody is told to fetch anything.
func TestAClientIDGetsTheRowsAnew(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	for i := range 3 {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.Addr()+"/realtime/v1/websocket?vsn=2.0.0&client_id=the-same-one&apikey="+token(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		k := &table{client: &client{t: t, conn: conn, vsn: "2.0.0"}, rows: map[string]string{}}
		k.send("1", room, "phx_join", `{"config":{"postgres_changes":[`+firstRows("notes", "")+`]}}`)
		if i > 0 { // the one before was cut before it had its rows
			k.until("snapshot_end")
			k.want(db, noteRows)
		} else {
			k.until("Subscribed to PostgreSQL")
		}
		for _, code := range k.told {
			if code != "Subscribed to PostgreSQL" && !strings.HasPrefix(code, "snapshot_") {
				t.Errorf("join %d was told %q", i, code)
			}
		}
		conn.Close()
	}
}
