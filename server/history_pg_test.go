package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// standing is a position as a client keeps it.
type standing struct {
	From    string `json:"from"`
	History string `json:"history,omitempty"`
}

// joinsAt joins with a standing, live without one, and returns that of the reply.
func (c *client) joinsAt(at standing) standing {
	c.t.Helper()
	resume, _ := json.Marshal(at)
	if at.From == "" {
		resume = []byte("null")
	}
	c.send("1", "realtime:a", "phx_join", fmt.Sprintf(
		`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","resume":%s}]}}`, resume))
	return c.toldStanding()
}

// asks is the standing that the server says the channel is at.
func (c *client) asks() standing {
	c.t.Helper()
	c.send("2", "realtime:a", "position", "{}")
	return c.toldStanding()
}

func (c *client) toldStanding() standing {
	c.t.Helper()
	var reply struct {
		Status   string
		Response struct{ Position, History string }
	}
	if err := json.Unmarshal(c.next("phx_reply").Payload, &reply); err != nil || reply.Status != "ok" {
		c.t.Fatalf("reply = %+v, %v; want ok", reply, err)
	}
	return standing{reply.Response.Position, reply.Response.History}
}

// twoServers read one database by a slot each; the second reads a publication more.
func twoServers(t *testing.T, db *devdb.DB, more ...string) (a, b *running) {
	t.Helper()
	config := configFor(db)
	a = startServer(t, config)
	config.Replication.Slot += "_b"
	config.Replication.Publications = append(config.Replication.Publications, more...)
	return a, startServer(t, config)
}

// oneTransaction writes rows 1 to 3, and rows of another table between them.
const oneTransaction = `insert into notes values (1); insert into messages values (1, 1, 'row 1'); insert into notes values (2);
	insert into messages values (2, 1, 'row 2'); insert into messages values (3, 1, 'row 3')`

const notesSchema = `create table notes (id int primary key); create publication notes for table notes`

func TestAClientGoesOnAtAnotherServerInTheMiddleOfATransaction(t *testing.T) {
	db := appDatabase(t)
	db.Exec(notesSchema)
	a, b := twoServers(t, db)
	c := a.dial(t, "2.0.0")
	at := c.joinsAt(standing{})
	if at.History == "" {
		t.Fatal("the reply to a join has no history")
	}
	db.Exec(oneTransaction)
	at.From = c.position()
	c = b.dial(t, "2.0.0")
	if got := c.joinsAt(at); got != at {
		t.Errorf("goes on at %+v; want %+v, as both read the same publications", got, at)
	}
	c.wantChanges("INSERT 2 row 2", "INSERT 3 row 3")
	db.Exec(`insert into messages values (4, 1, 'row 4')`)
	c.wantChanges("INSERT 4 row 4")
	if got := c.asks(); got.History != at.History || got.From <= at.From {
		t.Errorf("position = %+v; want one after %+v with the same history", got, at)
	}
}

// TestAnotherServerCountsTheChangesOfATransactionOtherwise: row 1 is the first change
// for a, and the second for b, for which row 2 is the fourth. By b's index of row 1 a
// would go on after row 2, which the client does not have.
func TestAnotherServerCountsTheChangesOfATransactionOtherwise(t *testing.T) {
	db := appDatabase(t)
	db.Exec(notesSchema)
	a, b := twoServers(t, db, "notes")
	c := b.dial(t, "2.0.0")
	at := c.joinsAt(standing{})
	db.Exec(oneTransaction)
	at.From = c.position()
	c = a.dial(t, "2.0.0")
	if got := c.joinsAt(at); got.From >= at.From || got.History == at.History || got.History == "" {
		t.Errorf("goes on at %+v; want before %+v, with a history of its own", got, at)
	}
	c.wantChanges("INSERT 1 row 1", "INSERT 2 row 2", "INSERT 3 row 3")
}

// TestNobodyIsToldAHistoryWhoDoesNotAskForIt: frames of stock clients are upstream's.
func TestNobodyIsToldAHistoryWhoDoesNotAskForIt(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	for resume, asked := range map[string]bool{``: false, `,"resume":null`: true, `,"resume":{}`: true} {
		c := s.dial(t, "2.0.0")
		c.send("1", "realtime:a", "phx_join", fmt.Sprintf(
			`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages"%s}]}}`, resume))
		var reply struct{ Response map[string]any }
		if err := json.Unmarshal(c.next("phx_reply").Payload, &reply); err != nil {
			t.Fatal(err)
		}
		history, told := reply.Response["history"]
		if told != asked || reply.Response["position"] == nil {
			t.Errorf("with %q the reply says %v; want a history: %v", resume, reply.Response, asked)
		}
		if got := c.asks(); got.History == "" || asked && got.History != history {
			t.Errorf("asked by %q for its position: %+v; want the history of the reply, %v", resume, got, history)
		}
	}
}

// TestAPositionOfAnotherHistoryIsToldThoughItIsInTheLog: the numbers exist here too,
// and mean something else.
func TestAPositionOfAnotherHistoryIsToldThoughItIsInTheLog(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	first := s.dial(t, "2.0.0")
	ours := first.joinsAt(standing{})
	db.Exec(`insert into messages values (1, 1, 'row 1')`)
	ours.From = first.position()
	parts := strings.Split(ours.History, ".")
	for _, c := range []struct{ name, history, code string }{
		{"another cluster", "7" + ours.History, changelog.CodeOtherCluster},
		{"another database", parts[0] + ".other." + parts[2] + "." + parts[3], changelog.CodeHistory},
		{"a timeline that is gone", parts[0] + "." + parts[1] + ".9." + parts[3], changelog.CodeDiverged},
		{"no history", "no history", changelog.CodeUnknown},
	} {
		moved := s.dial(t, "2.0.0")
		if got := moved.joinsAt(standing{ours.From, c.history}); got.History != ours.History {
			t.Errorf("%s: the reply says %+v; want the history %s", c.name, got, ours.History)
		}
		if r := moved.resync(); r.Code != c.code || r.History != ours.History || r.Position == "" {
			t.Errorf("%s: told %+v; want code %s, and the history to go on with", c.name, r, c.code)
		}
	}
	other := s.dial(t, "2.0.0")
	other.joinsAt(ours)
	db.Exec(`insert into messages values (2, 1, 'row 2')`)
	other.goesOn("by a position of this history", "row 2")
}

func TestAStreamOfAnotherHistoryIsToldThoughItsPositionIsInTheLog(t *testing.T) {
	db := appDatabase(t)
	s := startServer(t, configFor(db))
	c := s.dial(t, "2.0.0")
	ours := c.joinsAt(standing{})
	query := url.Values{"topic": {"a"}, "table": {"messages"}, "apikey": {token(t)}, "last_event_id": {ours.From}, "history": {"7" + ours.History}}
	response, err := http.Get("http://" + s.Addr() + "/realtime/v1/sse?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer time.AfterFunc(patience, func() { response.Body.Close() }).Stop()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if text := lines.Text(); strings.Contains(text, "resync_required") {
			if !strings.Contains(text, changelog.CodeOtherCluster) {
				t.Errorf("told %s; want %s", text, changelog.CodeOtherCluster)
			}
			return
		}
	}
	t.Fatal("the stream ends without a word")
}
