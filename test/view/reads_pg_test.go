package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"walcast/server"
)

const rooms = `
	create table members (room int, who text, primary key (room, who)); grant select on members to authenticated;
	create table notes (id int primary key, room int, body text); grant select on notes to authenticated;
	alter table notes enable row level security;
	create policy p on notes for select using (exists (select from members m where m.room = notes.room and m.who = auth.jwt() ->> 'n'));
	insert into notes select n, n % 4, 'n' || n from generate_series(1, 12) n; insert into members values (1, '3'), (2, '5');`

// What the policy reads is published: each change of it brings the rows anew.
func TestAViewWhosePolicyReadsAnotherTable(t *testing.T) {
	s := open(t, rooms, nil)
	p := s.connect()
	c := s.keep(alice, "notes", "")
	if len(c.codes) > 0 {
		t.Errorf("the client was told %q; want no warning", c.codes)
	}
	p.exec(`update notes set body = 'x' where id = 1; update notes set room = 1 where id = 2; insert into notes values (20, 1, 'y'), (21, 2, 'z'); delete from notes where id = 5`)
	c.want(p, "notes", "true")
	c.wantReasons("join")
	p.exec(`begin; insert into members values (3, '3'); insert into notes values (30, 3, 'both'); commit`)
	c.until("snapshot_end")
	c.want(p, "notes", "true")
	p.exec(`delete from members where room = 1`)
	c.until("snapshot_end")
	c.want(p, "notes", "true")
	p.exec(`alter table members enable row level security`)
	c.wantSoon(p, "notes", "true")
	if len(c.rows) > 0 {
		t.Errorf("the client has %q; want nothing, as it may read no membership", c.rows)
	}
}

// A table that a policy reads may get children later, of whose rows nothing tells: the view is
// looked at again now and then from there on.
func TestAViewWhosePolicyReadsATableThatGetsChildren(t *testing.T) {
	s := open(t, rooms, func(c *server.Config) { c.Channels.ViewRecheck = 500 * time.Millisecond })
	p := s.connect()
	c := s.keep(alice, "notes", "")
	c.sync()
	if len(c.codes) > 0 {
		t.Errorf("the client was told %q; want nothing", c.codes)
	}
	p.exec(`create table more_members () inherits (members); grant select on more_members to authenticated`)
	c.wantSoon(p, "notes", "true")
	if !slices.Equal(c.codes, []string{"view_rechecked"}) {
		t.Errorf("the client was told %q; want view_rechecked", c.codes)
	}
	p.exec(`insert into more_members values (3, '3')`)
	c.wantSoon(p, "notes", "true")
	c.wantReasons("join", "access", "access")
}

// TestRandomMembershipAndViews changes rows and what decides about them, in one
// transaction or in several, while clients come.
func TestRandomMembershipAndViews(t *testing.T) {
	s := open(t, strings.Replace(rooms, "exists (", "length(body) > 0 and exists (", 1)+`alter table notes alter body set storage external`, nil)
	reader := s.connect()
	writers := s.writers(2)
	id := 100
	rapid.Check(t, func(rt *rapid.T) {
		defer func() {
			for _, w := range writers {
				w.end("rollback")
			}
		}()
		var clients []*client
		for range rapid.IntRange(4, 20).Draw(rt, "steps") {
			w := writers[rapid.IntRange(0, len(writers)-1).Draw(rt, "writer")]
			room, who := rapid.IntRange(0, 3).Draw(rt, "room"), rapid.SampledFrom([]string{"3", "5"}).Draw(rt, "who")
			id++
			sql := ""
			switch rapid.IntRange(0, 11).Draw(rt, "what") {
			case 0, 1:
				if len(clients) < 3 {
					clients = append(clients, s.join(rapid.SampledFrom([]subject{alice, bob}).Draw(rt, "subject"), "notes", ""))
					clients[len(clients)-1].t = rt
				}
			case 2, 3:
				if w.isOpen {
					w.end(rapid.SampledFrom([]string{"commit", "rollback"}).Draw(rt, "end"))
				}
			case 4:
				sql = fmt.Sprintf("insert into members values (%d, '%s') on conflict do nothing", room, who)
			case 5:
				sql = fmt.Sprintf("delete from members where room = %d and who = '%s'", room, who)
			case 6, 7:
				sql = fmt.Sprintf("insert into notes values (%d, %d, repeat('long ', %d))", id, room, rapid.SampledFrom([]int{1, 900}).Draw(rt, "long"))
			case 8:
				sql = fmt.Sprintf("delete from notes where id %% 5 = %d", room)
			case 9:
				sql = fmt.Sprintf("update notes set room = %d where id %% 4 = %d", room, id%4)
			case 10:
				sql = fmt.Sprintf("update notes set id = id + 10000 where id < 10000 and id %% 7 = %d", room)
			default:
				for _, c := range clients {
					c.want(reader, "notes", "true")
				}
			}
			if sql != "" {
				w.write(sql)
			}
		}
		for _, w := range writers {
			if w.isOpen {
				w.end("commit")
			}
		}
		for _, c := range clients {
			c.want(reader, "notes", "true")
			c.conn.Close()
			if rt.Failed() {
				rt.Errorf("by %+v: snapshots for %q, codes %q, all %s", c.by, c.reasons, c.codes, strings.Join(c.lines, " | "))
			}
		}
	})
}
