package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"walcast/internal/devdb"
)

func TestEveryRowNamesItsTransaction(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	const room, legacy = "realtime:room", "realtime:public:messages"
	first, second := s.dial(t, "1.0.0"), s.dial(t, "2.0.0")
	first.joinWith(room, everything)
	second.joinWith(room, `{"event":"*","schema":"public","table":"messages"}`)
	old := s.dial(t, "2.0.0")
	old.send("1", legacy, "phx_join", `{}`)
	for !strings.Contains(string(old.next("system").Payload), "Subscribed to PostgreSQL") {
	}
	xid := transaction(t, db, `insert into messages values (1, 1)`, `savepoint s`, `insert into messages values (2, 1)`, `release s`)
	for _, e := range append(first.wantEvents("INSERT 1", "INSERT 2", "END"), second.wantEvents("INSERT 1", "INSERT 2")...) {
		if e.xid != xid {
			t.Errorf("%s has xid %d; want %d, as pg_current_xact_id had it", e.line, e.xid, xid)
		}
	}
	var data struct{ XID uint32 }
	if err := json.Unmarshal(old.next("INSERT").Payload, &data); err != nil || data.XID != xid {
		t.Errorf("an event of a join without config has xid %d, %v; want %d", data.XID, err, xid)
	}
}

func TestAnEventStreamIsToldOfTheEndsOfTransactions(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	resp, err := http.Get("http://" + s.Addr() + "/sse?topic=room&apikey=" + token(t) + "&bindings=" + url.QueryEscape("["+everything+"]"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	xid, id := transaction(t, db, `insert into messages values (1, 1)`), ""
	lines := bufio.NewScanner(resp.Body)
	for event := ""; lines.Scan(); {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); {
		case field == "event":
			event = value
		case field == "id":
			id = value
		case field == "data" && event == "postgres_commit":
			if want := fmt.Sprintf(`"xid":%d,"position":%q,`, xid, id); !strings.Contains(value, want) {
				t.Errorf("postgres_commit is %s; want %s in it, with the id of the stream", value, want)
			}
			return
		}
	}
	t.Fatalf("the stream ended: %v", lines.Err())
}

func TestTransactionsArriveWhole(t *testing.T) {
	db := devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"max_prepared_transactions": "5"}})
	devdb.SupabaseRoles(db)
	db.Exec(schema)
	db.Exec(`create table unpublished (id int)`)
	s := startServer(t, configFor(db))
	for _, vsn := range []string{"1.0.0", "2.0.0"} {
		t.Run("vsn "+vsn, func(t *testing.T) {
			db.Exec(`truncate messages`)
			c, plain := s.dial(t, vsn), s.dial(t, vsn)
			c.joinWith("realtime:room", strings.Replace(everything, `"transactions"`, `"filter":"channel_id=eq.1","transactions"`, 1))
			plain.join("realtime:room", "channel_id=eq.1")
			db.Exec(`insert into messages values (1, 1), (2, 2), (3, 1)`)
			db.Exec(`begin; insert into messages values (4, 1); savepoint s; insert into messages values (5, 1); rollback to s; insert into messages values (6, 1); commit`)
			db.Exec(`insert into messages values (7, 2)`)
			db.Exec(`insert into unpublished values (1)`)
			db.Exec(`begin; insert into messages values (8, 1); rollback`)
			db.Exec(`begin; insert into messages values (9, 1); prepare transaction 'two'`)
			db.Exec(`insert into messages values (10, 1)`)
			db.Exec(`commit prepared 'two'`)
			db.Exec(`begin; insert into messages values (11, 1); prepare transaction 'three'`)
			db.Exec(`rollback prepared 'three'`)
			db.Exec(`begin; select pg_logical_emit_message(true, 'another tool', 'x'); update messages set body = 'x' where id = 1; select pg_logical_emit_message(true, 'another tool', 'x'); commit`)
			db.Exec(`delete from messages where id = 3`)
			c.wantEvents("INSERT 1", "INSERT 3", "END", "INSERT 4", "INSERT 6", "END", "INSERT 10", "END", "INSERT 9", "END", "UPDATE 1", "END", "DELETE 3", "END")
			plain.wantEvents("INSERT 1", "INSERT 3", "INSERT 4", "INSERT 6", "INSERT 10", "INSERT 9", "UPDATE 1", "DELETE 3")
		})
	}
}

func TestALargeTransactionEndsOnce(t *testing.T) {
	const rows = 100_000
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := s.dial(t, "2.0.0")
	c.joinWith("realtime:room", strings.Replace(everything, `"transactions"`, `"filter":"channel_id=eq.1","transactions"`, 1))
	db.Exec(`insert into messages select n, n % 10 from generate_series(1, $1::int) n`, rows)
	db.Exec(`insert into messages values (0, 1)`)
	var xid uint32
	for n := 1; n <= rows; n += 10 {
		e := c.event()
		if e.line != fmt.Sprint("INSERT ", n) || xid != 0 && e.xid != xid {
			t.Fatalf("%s of %d came; want INSERT %d of %d", e.line, e.xid, n, xid)
		}
		xid = e.xid
	}
	if end := c.wantEvents("END", "INSERT 0", "END")[0]; end.xid != xid || !strings.HasSuffix(end.position, fmt.Sprint(":", rows)) {
		t.Errorf("the end is of %d at %s; want %d, after %d rows", end.xid, end.position, xid, rows)
	}
}

// A client is cut after any event, and names the position of the last that it has.
func TestAResumeInsideOfATransactionGetsItsRestAndItsEnd(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := s.dial(t, "2.0.0")
	c.joinWith("realtime:room", everything)
	db.Exec(`insert into messages values (1, 1), (2, 1), (3, 1)`)
	db.Exec(`begin; insert into messages values (4, 1); select pg_logical_emit_message(true, 'another tool', 'x'); update messages set body = 'x' where id = 1; commit`)
	db.Exec(`delete from messages where id = 2`)
	lines := []string{"INSERT 1", "INSERT 2", "INSERT 3", "END", "INSERT 4", "UPDATE 1", "END", "DELETE 2", "END"}
	came := c.wantEvents(lines...)
	check := func(t *testing.T, s *running) {
		for i, e := range came {
			again := s.dial(t, "2.0.0")
			again.send("1", "realtime:room", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[%s,"resume":{"from":%q}}]}}`, strings.TrimSuffix(everything, "}"), e.position))
			again.wantEvents("REPLY ok")
			rest := again.wantEvents(lines[i+1:]...)
			for k, r := range rest {
				if r.position != came[i+1+k].position || r.xid != came[i+1+k].xid {
					t.Errorf("after %s came %+v; want %+v as before", e.line, r, came[i+1+k])
				}
			}
			again.ask("realtime:room", "2", "{}")
			if more, _ := again.awaitProgress("2"); len(more) != 1 {
				t.Errorf("after %s and all that followed it came %+v; want the reply alone", e.line, more)
			}
		}
	}
	check(t, s)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	check(t, startServer(t, configFor(db)))
}
