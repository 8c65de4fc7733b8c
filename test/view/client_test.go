package view

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// teller is a test, or one of the many that a property test makes.
type teller interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
}

// client keeps the rows of a view by what it is told. It changes them as the contract
// says: by transactions, and by snapshots.
type client struct {
	t    teller
	conn *websocket.Conn
	by   subject
	name string // of its topic

	key      []string
	rows     map[string]string // records by key, as of the last end of a transaction
	next     map[string]string // of the snapshot that is being sent; nil without one
	open     []change          // of the transaction that is being sent
	lines    []string          // what came, in short
	reasons  []string          // of snapshots
	codes    []string          // of all other system events
	told     string            // the text of the newest of these
	keys     *int              // that the server holds, as the last snapshot_end said
	asked    int
	position string // the newest
	isEnded  bool   // the binding does not work any more
}

// change is the data of a row change.
type change struct {
	Type, Cause string
	LSN         *string
	Snapshot    bool
	Record      json.RawMessage
	Old         json.RawMessage `json:"old_record"`
	Errors      []string
	Unchanged   []string
	Truncated   []string
}

// payload is what of all events is looked at.
type payload struct {
	Code, Status, Reason, Message, Position string
	Key                                     []string
	Rows                                    int
	Keys                                    *int
	Request                                 json.RawMessage
	Data                                    change
	Response                                json.RawMessage
}

// join joins a topic of its own with a view of a table, whose binding has more keys.
func (s *stage) join(by subject, table, more string) *client {
	s.t.Helper()
	c := &client{t: s.t, conn: s.dial(by), by: by, name: "realtime:views", rows: map[string]string{}}
	c.send("1", "phx_join", fmt.Sprintf(`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":%q,"view":true%s}]}}`, table, more))
	return c
}

// keep is join, and reads the first rows.
func (s *stage) keep(by subject, table, more string) *client {
	s.t.Helper()
	c := s.join(by, table, more)
	c.until("snapshot_end")
	return c
}

func (c *client) send(ref, event, payload string) {
	c.t.Helper()
	if err := c.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `["1",%q,%q,%q,%s]`, ref, c.name, event, payload)); err != nil {
		c.t.Fatal(err)
	}
}

// step reads one event, applies it, and returns what it was.
func (c *client) step() (what string) {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(patience))
	_, text, err := c.conn.ReadMessage()
	if err != nil {
		c.t.Fatalf("read: %v; what came last: %q", err, c.lines[max(0, len(c.lines)-20):])
	}
	var event string
	var raw json.RawMessage
	if err := json.Unmarshal(text, &[]any{new(any), new(any), new(any), &event, &raw}); err != nil {
		c.t.Fatalf("read %s: %v", text, err)
	}
	var p payload
	if err := json.Unmarshal(raw, &p); err != nil {
		c.t.Fatalf("read %s: %v", raw, err)
	}
	switch event {
	case "system":
		what = c.system(p)
	case "postgres_changes":
		what = c.change(p.Data)
	case "postgres_commit":
		what, c.position = "commit", p.Position
		c.commit()
	case "progress":
		what = "progress " + strings.Trim(string(p.Request), `"`)
	default:
		what = event + " " + p.Status
	}
	c.lines = append(c.lines, what)
	return what
}

// system applies a system event.
func (c *client) system(p payload) string {
	switch p.Code {
	case "snapshot_begin":
		c.next, c.key, c.open = map[string]string{}, p.Key, nil
		c.reasons = append(c.reasons, p.Reason)
	case "snapshot_end":
		if p.Rows != len(c.next) || p.Keys == nil {
			c.t.Errorf("snapshot_end is of %d rows, and %v keys; %d rows came", p.Rows, p.Keys, len(c.next))
		}
		c.rows, c.next, c.keys, c.position = c.next, nil, p.Keys, p.Position
	case "":
		return p.Message
	default:
		c.codes, c.told = append(c.codes, p.Code), p.Message
		c.isEnded = c.isEnded || p.Status == "error"
	}
	return p.Code
}

// change takes a row of a snapshot, or a change of the transaction that is being sent.
func (c *client) change(d change) string {
	c.t.Helper()
	if d.Snapshot {
		if c.next == nil || d.Type != "INSERT" || d.LSN != nil {
			c.t.Errorf("row %+v of a snapshot came outside of one, or as a change", d)
		}
		c.next[c.keyOf(d.Record)] = canonical(c.t, decode(c.t, d.Record))
		return "row"
	}
	if c.next != nil {
		c.t.Errorf("%s came amid the rows of a snapshot", d.Type)
	}
	c.open = append(c.open, d)
	line := d.Type + " "
	if d.Type != "INSERT" {
		line += c.keyOf(d.Old)
	}
	if d.Record != nil {
		line += ">" + c.keyOf(d.Record)
	}
	if d.Cause != "" {
		line += " by " + d.Cause
	}
	return line
}

// commit applies the changes of a transaction, and looks whether they fit.
func (c *client) commit() {
	c.t.Helper()
	for _, d := range c.open {
		record := map[string]json.RawMessage{}
		if d.Record != nil {
			record = decode(c.t, d.Record)
		}
		key, old := c.keyOf(d.Record), c.keyOf(d.Old)
		_, had := c.rows[key]
		_, hadOld := c.rows[old]
		switch {
		case d.Type == "INSERT" && (had || d.Old != nil), d.Type != "INSERT" && !hadOld, d.Type == "UPDATE" && key != old && had:
			c.t.Errorf("%s of %s (old %s) does not fit what the client has", d.Type, d.Record, d.Old)
		case d.Type == "DELETE" && len(decode(c.t, d.Old)) != len(c.key):
			c.t.Errorf("DELETE shows %s; want the key %q alone", d.Old, c.key)
		}
		if d.Type == "UPDATE" && hadOld {
			before := decode(c.t, []byte(c.rows[old]))
			for _, name := range d.Unchanged {
				if value, has := before[name]; has {
					record[name] = value
				}
			}
		}
		if d.Type != "INSERT" {
			delete(c.rows, old)
		}
		if d.Type == "INSERT" && len(d.Unchanged) > 0 {
			c.t.Errorf("a row enters without %q: %s", d.Unchanged, d.Record)
		}
		if d.Type != "DELETE" {
			c.rows[key] = canonical(c.t, record)
		}
	}
	c.open = nil
}

// keyOf is the key of a record.
func (c *client) keyOf(record json.RawMessage) string {
	if record == nil {
		return ""
	}
	all := decode(c.t, record)
	var parts []string
	for _, name := range c.key {
		parts = append(parts, string(all[name]))
	}
	return strings.Join(parts, ",")
}

// until reads up to an event.
func (c *client) until(what string) {
	c.t.Helper()
	for c.step() != what {
	}
}

// sync reads up to the answer to progress.
func (c *client) sync() {
	c.t.Helper()
	c.asked++
	ref := fmt.Sprint("p", c.asked)
	c.send(ref, "progress", `{}`)
	c.until("progress " + ref)
	if len(c.open) > 0 || c.next != nil {
		c.t.Errorf("the answer to progress came within a transaction, or a snapshot: %q", c.lines[max(0, len(c.lines)-20):])
	}
}

// want compares what the client has with what its subject selects. Nothing may be
// committed meanwhile.
func (c *client) want(p *session, table, where string) {
	c.t.Helper()
	c.sync()
	var want []string
	for _, text := range p.selects(c.by, table, where) {
		want = append(want, canonical(c.t, decode(c.t, []byte(text))))
	}
	slices.Sort(want)
	got := slices.Sorted(maps.Values(c.rows))
	if !slices.Equal(got, want) {
		c.t.Errorf("the client has\n\t%s\nSELECT says\n\t%s\nwhat came last: %q", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"), c.lines[max(0, len(c.lines)-40):])
	}
}

// wantLines reads up to the answer to progress, and wants that these came since the call
// before.
func (c *client) wantLines(want ...string) {
	c.t.Helper()
	from := len(c.lines)
	c.sync()
	var got []string
	for _, line := range c.lines[from:] {
		if !strings.HasPrefix(line, "progress") && line != "phx_reply ok" {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		c.t.Errorf("came %q; want %q", got, want)
	}
}

// decode reads a JSON object.
func decode(t teller, text []byte) map[string]json.RawMessage {
	t.Helper()
	var record map[string]json.RawMessage
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatalf("read %s: %v", text, err)
	}
	return record
}

// canonical is a text that is equal for records that mean the same.
func canonical(t teller, record map[string]json.RawMessage) string {
	t.Helper()
	values := map[string]any{}
	for name, raw := range record {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			t.Fatalf("read %s: %v", raw, err)
		}
		values[name] = value
	}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
