package view

import (
	"slices"
	"testing"
)

var anon = subject{role: "anon"}

const notes = `
	create table notes (id int primary key, room int, body text); grant select on notes to anon, authenticated;
	insert into notes select n, n % 3, 'n' || n from generate_series(1, 9) n;`

func TestRowsEnterAndLeaveAView(t *testing.T) {
	for name, more := range map[string]string{"by its key": "", "whole": "alter table notes replica identity full;"} {
		t.Run("of a table whose old rows come "+name, func(t *testing.T) {
			s := open(t, notes+more, nil)
			p := s.connect()
			c := s.keep(anon, "notes", `,"filter":"room=eq.1"`)
			if !slices.Equal(c.reasons, []string{"join"}) || *c.keys != 3 {
				t.Errorf("the snapshot came for %q with %d keys; want join and 3", c.reasons, *c.keys)
			}
			for _, step := range []struct {
				sql  string
				want []string
			}{
				{`insert into notes values (10, 1, 'x'), (11, 2, 'y')`, []string{"INSERT >10", "commit"}},
				{`update notes set body = 'z' where id in (10, 11)`, []string{"UPDATE 10>10", "commit"}},
				{`update notes set room = 1 where id = 11`, []string{"INSERT >11 by UPDATE", "commit"}},
				{`update notes set room = 2 where id = 10`, []string{"DELETE 10 by UPDATE", "commit"}},
				{`update notes set room = 0 where id = 10`, nil},
				{`update notes set id = 12 where id = 11`, []string{"UPDATE 11>12", "commit"}},
				{`update notes set id = 13, room = null where id = 12`, []string{"DELETE 12 by UPDATE", "commit"}},
				{`update notes set id = 14, room = 1 where id = 13`, []string{"INSERT >14 by UPDATE", "commit"}},
				{`delete from notes where id in (10, 14)`, []string{"DELETE 14", "commit"}},
				{
					`begin; insert into notes values (20, 1, 'a'); savepoint s; update notes set room = 1; rollback to s;
					update notes set id = id + 100 where room = 1; delete from notes where id = 101; commit`,
					[]string{"INSERT >20", "UPDATE 1>101", "UPDATE 4>104", "UPDATE 7>107", "UPDATE 20>120", "DELETE 101", "commit"},
				},
				{
					`begin; delete from notes where id = 104; insert into notes values (104, 1, 'again'); update notes set room = 2 where id = 107; update notes set room = 1 where id = 107; commit`,
					[]string{"DELETE 104", "INSERT >104", "DELETE 107 by UPDATE", "INSERT >107 by UPDATE", "commit"},
				},
			} {
				p.exec(step.sql)
				c.wantLines(step.want...)
				c.want(p, "notes", "room = 1")
			}
			if len(c.reasons) > 1 {
				t.Errorf("snapshots came for %q; want one", c.reasons)
			}
		})
	}
}
