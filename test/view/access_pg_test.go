package view

import (
	"context"
	"fmt"
	"testing"
	"time"
)

const ownNotes = `
	create table notes (id int primary key, owner text, public boolean default false); grant select on notes to anon, authenticated;
	alter table notes enable row level security; create policy own on notes for select using (owner = auth.uid()::text or public);
	insert into notes select n, case n % 2 when 0 then '6b2b1d5e-0000-4000-8000-000000000001' else '6b2b1d5e-0000-4000-8000-000000000002' end from generate_series(1, 10) n;`

// soon is how long a change of access may take to be seen on a quiet table: access-age, a
// second more, and what a busy machine takes.
const soon = 12 * time.Second

// wantSoon reads up to the end of the next snapshot, and compares.
func (c *client) wantSoon(p *session, table, where string) {
	c.t.Helper()
	began := time.Now()
	c.until("snapshot_end")
	if took := time.Since(began); took > soon {
		c.t.Errorf("what changed was seen after %s; want %s at most", took, soon)
	}
	c.want(p, table, where)
}

func TestRowsEnterAndLeaveByWhoMaySeeThem(t *testing.T) {
	s := open(t, ownNotes, nil)
	p := s.connect()
	a, b, n := s.keep(alice, "notes", ""), s.keep(bob, "notes", `,"filter":"id=lt.8"`), s.keep(anon, "notes", "")
	p.exec(`update notes set owner = '` + bob.claims["sub"].(string) + `' where id = 2`)
	a.wantLines("DELETE 2 by UPDATE", "commit")
	b.wantLines("INSERT >2 by UPDATE", "commit")
	n.wantLines()
	p.exec(`update notes set public = true where id in (4, 5)`)
	a.wantLines("UPDATE 4>4", "INSERT >5 by UPDATE", "commit")
	b.wantLines("INSERT >4 by UPDATE", "UPDATE 5>5", "commit")
	n.wantLines("INSERT >4 by UPDATE", "INSERT >5 by UPDATE", "commit")
	p.exec(`delete from notes where id in (4, 6)`)
	a.wantLines("DELETE 4", "DELETE 6", "commit")
	b.wantLines("DELETE 4", "commit")
	n.wantLines("DELETE 4", "commit")
	for _, c := range []*client{a, n} {
		c.want(p, "notes", "true")
	}
	b.want(p, "notes", "id < 8")
}

// What changes the answer and is no change of the table brings the rows anew.
func TestAChangeOfAccessBringsTheRowsOfAViewAnew(t *testing.T) {
	s := open(t, ownNotes+`create function seen(text) returns boolean language sql as 'select $1 is not null'`, nil)
	p := s.connect()
	a, b := s.keep(alice, "notes", ""), s.keep(bob, "notes", "")
	reasons := []string{"join"}
	for _, sql := range []string{
		`drop policy own on notes`,
		`create policy half on notes for select using (id < 5)`,
		`alter policy half on notes using (id < 7 and seen(owner))`,
		`create or replace function seen(text) returns boolean language sql as 'select $1 like ''%1'''`,
		`create policy not_one on notes as restrictive for select using (id > 1)`,
		`drop policy not_one on notes`,
		`alter table notes disable row level security`,
		`alter table notes enable row level security`,
	} {
		p.exec(sql)
		reasons = append(reasons, "access")
		for _, c := range []*client{a, b} {
			c.wantSoon(p, "notes", "true")
			c.wantReasons(reasons...)
		}
		p.exec(`update notes set owner = owner where id % 3 = 0`)
		a.want(p, "notes", "true")
		b.want(p, "notes", "true")
	}
}

// What others may do is none of a view's business.
func TestAChangeOfOthersAccessLeavesAViewAlone(t *testing.T) {
	s := open(t, ownNotes, nil)
	p := s.connect()
	a := s.keep(alice, "notes", "")
	p.exec(`grant insert on notes to anon; create policy others on notes for insert with check (true); create table x (id int primary key); create function f() returns int language sql as 'select 1'`)
	p.exec(`revoke select on notes from anon`)
	other := s.keep(alice, "notes", `,"filter":"id=gt.0"`)
	p.exec(`alter policy own on notes using (owner = auth.uid()::text)`)
	other.until("snapshot_end") // there was a look since
	a.until("snapshot_end")
	a.wantReasons("join", "access")
}

func TestANewTokenBringsTheRowsAnewWhereTheyAreOthers(t *testing.T) {
	s := open(t, ownNotes+`create table open (id int primary key); grant select on open to authenticated; insert into open values (1)`, nil)
	p := s.connect()
	for name, c := range map[string]struct {
		table string
		next  subject
		want  []string
	}{
		"another user":                 {"notes", bob, []string{"join", "access"}},
		"the same user":                {"notes", subject{"authenticated", map[string]any{"sub": alice.claims["sub"], "n": "4"}}, []string{"join"}},
		"another user of what all see": {"open", bob, []string{"join"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := s.keep(alice, c.table, "")
			k.by = c.next
			k.send("", "access_token", fmt.Sprintf(`{"access_token":%q}`, c.next.token(t)))
			if len(c.want) > 1 {
				k.until("snapshot_end")
			}
			k.want(p, c.table, "true")
			k.wantReasons(c.want...)
			p.exec(`update notes set public = public; update open set id = id`)
			k.want(p, c.table, "true")
		})
	}
}

// A grant that is revoked takes the rows away and says so; once it is back so are they.
func TestARevokedGrantEmptiesAView(t *testing.T) {
	s := open(t, notes, nil)
	p := s.connect()
	for _, c := range []struct{ revoke, grant, code string }{
		{"revoke select on notes from anon", "grant select on notes to anon", "snapshot_denied"},
		{"revoke select on notes from anon; grant select (room, body) on notes to anon", "grant select on notes to anon", "key_not_granted"},
		{"revoke usage on schema public from anon, public", "grant usage on schema public to anon, public", "snapshot_denied"},
	} {
		k := s.keep(anon, "notes", "")
		p.exec(c.revoke)
		k.until("snapshot_end")
		if len(k.rows) > 0 || k.codes[0] != c.code {
			t.Errorf("after %q the client has %q and was told %q; want nothing and %s", c.revoke, k.rows, k.codes, c.code)
		}
		p.exec("update notes set body = body || 'x'; update notes set id = id + 100 where id = 1")
		p.exec(c.grant)
		k.until("snapshot_end")
		k.want(p, "notes", "true")
		p.exec("update notes set id = id - 100 where id > 100")
		k.want(p, "notes", "true")
	}
}

// A change that is decided by other grants than the rows of the view were read by brings them
// anew: all rows that a client has show the same columns.
func TestRowsOfAViewShowTheSameColumns(t *testing.T) {
	s := open(t, notes, nil)
	p, w := s.connect(), s.connect()
	c := s.keep(anon, "notes", "")
	writing, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; writing.Err() == nil; n++ {
			_ = w.try(fmt.Sprintf(`update notes set room = %d where id = %d`, n, n%9))
		}
	}()
	for i := range 15 {
		p.exec(`revoke select on notes from anon; grant select (` + []string{"id, room", "id, room, body"}[i%2] + `) on notes to anon`)
		for len(c.reasons) < i+2 || c.next != nil {
			c.step()
			shown := map[int]int{}
			for _, row := range c.rows {
				shown[len(decode(t, []byte(row)))]++
			}
			if len(shown) > 1 {
				t.Fatalf("after %d changes of the grant rows have different columns, by how many these are: %v", i+1, shown)
			}
		}
	}
	stop()
	<-ended
}
