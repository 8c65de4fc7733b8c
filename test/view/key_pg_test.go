package view

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const dropKey, addKey = `alter table notes drop constraint notes_pkey`, `alter table notes add constraint notes_pkey primary key (id)`

// lead is how long after the key has gone, or the client was told, the next thing happens:
// the look at the catalog may be the first to notice, or the next row.
var lead = []time.Duration{0, 300 * time.Millisecond, 1900 * time.Millisecond}

// TestAViewWhoseTableLosesItsKeyEndsAndComesBack with it, whatever happens to the table
// meanwhile and however long that takes.
func TestAViewWhoseTableLosesItsKeyEndsAndComesBack(t *testing.T) {
	for name, meanwhile := range map[string]string{
		"nothing is written": `select 1`,
		"rows are inserted":  `insert into notes values (100, 1, 'x')`,
		"rows are changed":   `alter table notes replica identity full; update notes set body = 'y'; delete from notes where id = 2; alter table notes replica identity default`,
		"a column is added":  `alter table notes add column more int default 7; insert into notes values (100, 1, 'x')`,
	} {
		for _, wait := range lead {
			t.Run(fmt.Sprint(name, " after ", wait), func(t *testing.T) {
				t.Parallel()
				s := open(t, notes, nil)
				p := s.connect()
				c := s.keep(anon, "notes", `,"filter":"room=eq.1"`)
				p.exec(dropKey)
				pauseFor(wait)
				p.exec(meanwhile)
				for !c.isEnded {
					c.step()
				}
				pauseFor(wait)
				p.exec(addKey)
				c.until("snapshot_end")
				p.exec(`insert into notes values (101, 1, 'z')`)
				c.want(p, "notes", "room = 1")
				if again := strings.Count(strings.Join(c.lines, "\n"), "Subscribed to PostgreSQL"); again != 2 || !slices.Equal(c.codes, []string{"no_key"}) {
					t.Errorf("came %q; want no_key once, and then that it works again", c.lines)
				}
			})
		}
	}
}

// TestAViewWhoseTableIsWithoutAKeyForAMoment goes on: nobody may have noticed.
func TestAViewWhoseTableIsWithoutAKeyForAMoment(t *testing.T) {
	s := open(t, notes, nil)
	p := s.connect()
	c := s.keep(anon, "notes", `,"filter":"room=eq.1"`)
	for i := range 6 {
		p.exec(dropKey)
		p.exec(fmt.Sprintf(`insert into notes values (%d, 1, 'x')`, 100+i))
		pauseFor(time.Duration(i) * 200 * time.Millisecond)
		p.exec(addKey)
		p.exec(fmt.Sprintf(`insert into notes values (%d, 1, 'x')`, 200+i))
		for c.rows[fmt.Sprint(200+i)] == "" {
			c.step()
		}
		c.want(p, "notes", "room = 1")
	}
}

// TestOtherBindingsGoOnWhileAViewHasNoKey: they do not wait for rows that cannot come.
func TestOtherBindingsGoOnWhileAViewHasNoKey(t *testing.T) {
	s := open(t, notes+`create table other (id int primary key, n int); grant select on other to anon`, nil)
	p := s.connect()
	c := s.join(anon, "notes", `},{"event":"*","schema":"public","table":"other"`)
	c.until("snapshot_end")
	p.exec(dropKey + `; insert into notes values (100, 1, 'x'); insert into other values (1001, 1)`)
	c.until("INSERT >1001")
	for !slices.Contains(c.codes, "no_key") {
		c.step()
	}
	p.exec(`insert into notes values (101, 1, 'x'); insert into other values (1002, 1)`)
	c.until("INSERT >1002")
	p.exec(addKey)
	c.until("snapshot_end")
	p.exec(`insert into other values (1003, 1)`)
	c.until("INSERT >1003")
	if slices.ContainsFunc(c.lines, func(line string) bool { return line == "INSERT >100" || line == "INSERT >101" }) || c.isEnded {
		t.Errorf("came %q; want no row of the view but by its snapshot, and no end of the channel", c.lines)
	}
}

// pauseFor waits; that a time has passed is all that is wanted.
func pauseFor(d time.Duration) { <-time.After(d) }
