package view

import (
	"bufio"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"walcast/internal/await"
	"walcast/server"
)

// comeBack joins again as a client that has what another one had, from its position on.
func (s *stage) comeBack(c *client, table, more string) *client {
	s.t.Helper()
	again := s.join(c.by, table, more+`,"resume":{"from":"`+c.position+`"}`)
	again.rows, again.key, again.position = maps.Clone(c.rows), c.key, c.position
	again.until("Subscribed to PostgreSQL")
	return again
}

const inRoom = `,"filter":"room=eq.1"`

// A client that comes back with the position of what it has gets what it has missed, and no rows
// anew.
func TestAResumeOfAView(t *testing.T) {
	s := open(t, notes, nil)
	p := s.connect()
	c := s.keep(anon, "notes", inRoom)
	p.exec(`update notes set body = 'x'`)
	c.want(p, "notes", "room = 1")
	c.conn.Close()
	p.exec(`update notes set room = 0 where id < 5; update notes set room = 1 where id = 8`)
	p.exec(`insert into notes values (10, 1, 'y'); delete from notes where id = 7`)
	again := s.comeBack(c, "notes", inRoom)
	again.want(p, "notes", "room = 1")
	again.wantReasons()
	again.wantLines()
	p.exec(`update notes set room = 3 where id in (3, 8); update notes set id = 100 where id = 10`)
	again.wantLines("DELETE 8 by UPDATE", "UPDATE 10>100", "commit")
}

// What was sent and has not arrived comes again, for as long as the server knows what it did to
// the keys.
func TestAResumeOfAViewThatWasSentMore(t *testing.T) {
	s := open(t, notes, nil)
	p := s.connect()
	c := s.keep(anon, "notes", inRoom)
	p.exec(`update notes set room = 2 where id = 1`)
	c.until("commit")
	had := *c
	had.rows = maps.Clone(c.rows)
	p.exec(`update notes set room = 2 where id = 4; update notes set room = 1 where id = 1; update notes set room = 1 where id = 3`)
	p.exec(`delete from notes where id = 3; update notes set id = 77 where id = 7; update notes set id = 7 where id = 77`)
	c.want(p, "notes", "room = 1")
	c.conn.Close()
	again := s.comeBack(&had, "notes", inRoom)
	again.want(p, "notes", "room = 1")
	again.wantReasons()
	again.conn.Close()
	p.exec(`update notes set room = room + 1`)
	last := s.comeBack(again, "notes", inRoom)
	last.want(p, "notes", "room = 1")
	last.wantReasons()
}

// A client may be back before the server has noticed that it was gone.
func TestAResumeOfAViewThatHasNotLeft(t *testing.T) {
	s := open(t, notes, nil)
	p := s.connect()
	c := s.keep(anon, "notes", inRoom)
	p.exec(`update notes set room = 1 where id = 2`)
	c.want(p, "notes", "room = 1")
	again := s.comeBack(c, "notes", inRoom)
	p.exec(`update notes set room = 2 where id < 5`)
	again.want(p, "notes", "room = 1")
	again.wantReasons()
	c.want(p, "notes", "room = 1")
}

func TestAResumeOfAViewThatIsAnother(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile string
		by        subject
		more      string
		settings  func(*server.Config)
		reasons   []string
	}{
		"the same":            {by: alice, more: inRoom},
		"with a new token":    {by: subject{"authenticated", map[string]any{"sub": alice.claims["sub"], "n": "3", "session": "7"}}, more: inRoom},
		"of another filter":   {by: alice, more: `,"filter":"room=eq.2"`, reasons: []string{"resync"}},
		"of another user":     {by: bob, more: inRoom, reasons: []string{"resync"}},
		"with other columns":  {by: alice, more: inRoom + `,"select":["id"]`, reasons: []string{"resync"}},
		"after an ALTER":      {by: alice, more: inRoom, meanwhile: "alter table notes add more int", reasons: []string{"resync"}},
		"after a TRUNCATE":    {by: alice, more: inRoom, meanwhile: "truncate notes", reasons: []string{"truncate"}},
		"with another policy": {by: alice, more: inRoom, meanwhile: "alter policy own on notes using (owner = auth.uid()::text and id > 2)", reasons: []string{"resync"}},
		"without a window":    {by: alice, more: inRoom, settings: func(c *server.Config) { c.Log.Window = 0 }, reasons: []string{"resync"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, ownNotes+`alter table notes add room int default 1, add body text`, c.settings)
			p := s.connect()
			k := s.keep(alice, "notes", inRoom)
			p.exec(`update notes set body = 'x'`)
			k.sync()
			k.conn.Close()
			p.exec(`update notes set room = 2 where id < 5`)
			if c.meanwhile != "" {
				p.exec(c.meanwhile)
			}
			k.by = c.by
			again := s.comeBack(k, "notes", c.more)
			if c.reasons != nil {
				again.until("snapshot_end")
			}
			again.wantReasons(c.reasons...)
			if _, isSelected := map[string]bool{"with other columns": true}[name]; !isSelected {
				again.want(p, "notes", map[bool]string{true: "room = 2", false: "room = 1"}[name == "of another filter"])
			}
		})
	}
}

// Rows of two clients of one user may be by different rules, at one position.
func TestAResumeOfAViewWhileRulesChange(t *testing.T) {
	s := open(t, ownNotes, nil)
	p := s.connect()
	before, after := s.keep(alice, "notes", ""), s.keep(alice, "notes", "")
	before.sync()
	before.conn.Close()
	p.exec(`alter policy own on notes using (owner = auth.uid()::text and id > 4)`)
	after.wantSoon(p, "notes", "true")
	p.exec(`update notes set public = true where id = 6`)
	after.want(p, "notes", "true")
	after.conn.Close()
	p.exec(`delete from notes where id in (2, 8)`)
	again := s.comeBack(before, "notes", "")
	again.until("snapshot_end")
	again.want(p, "notes", "true")
	again.wantReasons("resync")
	last := s.comeBack(after, "notes", "")
	last.want(p, "notes", "true")
	last.wantReasons()
}

// Keys that are kept make room for those of clients that are there, the oldest first.
func TestKeptKeysMakeRoom(t *testing.T) {
	s := open(t, notes, func(c *server.Config) { c.Channels.ViewKeys = 50 })
	p := s.connect()
	first, second := s.keep(anon, "notes", `,"filter":"room=eq.1"`), s.keep(anon, "notes", `,"filter":"room=eq.2"`)
	first.sync()
	second.sync()
	first.conn.Close()
	s.untilKept(3 + 16 + 3)
	second.conn.Close()
	s.untilKept(3 + 16 + 3 + 16)
	third := s.keep(anon, "notes", "")
	if third.isEnded || *third.keys != 9 {
		t.Fatalf("a client that is there has %v keys; want 9", third.keys)
	}
	p.exec(`insert into notes select n, 0 from generate_series(100, 105) n`) // with their notes there is no room for both
	third.want(p, "notes", "true")
	again := s.comeBack(first, "notes", `,"filter":"room=eq.1"`)
	again.until("snapshot_end")
	again.wantReasons("resync")
	last := s.comeBack(second, "notes", `,"filter":"room=eq.2"`)
	last.want(p, "notes", "room = 2")
	last.wantReasons()
}

func TestKeptKeysGoAfterTheWindow(t *testing.T) {
	s := open(t, notes, func(c *server.Config) { c.Log.Window = time.Second })
	c := s.keep(anon, "notes", inRoom)
	c.sync()
	s.untilKept(3)
	c.conn.Close()
	s.untilKept(3 + 16)
	s.untilKept(0)
}

// untilKept waits until the server holds so many keys, with what it costs to keep them.
func (s *stage) untilKept(want int) {
	s.t.Helper()
	await.True(s.t, patience, "as many keys as there should be are held", func() bool { return s.metric("walcast_channels_view_keys") == want })
}

// metric is the value of a metric.
func (s *stage) metric(name string) (value int) {
	s.t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	response, err := http.Get("http://" + s.addr + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if text, is := strings.CutPrefix(lines.Text(), name+" "); is {
			if value, err = strconv.Atoi(text); err != nil {
				s.t.Fatal(err)
			}
			return value
		}
	}
	s.t.Fatalf("there is no metric %s", name)
	return 0
}
