package view

import (
	"slices"
	"strings"
	"testing"
)

// A row that enters by an UPDATE is whole, though the WAL lacks what is stored out of line.
func TestARowThatEntersIsWhole(t *testing.T) {
	for name, c := range map[string]struct{ policy, enter string }{
		"by the filter":             {"", "update notes set room = 1 where id in (2, 3)"},
		"by a compiled policy":      {"id < 100", "update notes set id = id - 100 where id > 100"},
		"by a policy that is asked": {"length(body) > 0 and id < 100", "update notes set id = id - 100, room = 1 where id > 100"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, notes+`alter table notes alter body set storage external, add more text; alter table notes alter more set storage external;
				update notes set body = repeat(body, 3000), more = repeat('m', 4000); update notes set id = 100 + id where id in (5, 8)`, nil)
			p := s.connect()
			if c.policy != "" {
				p.exec("alter table notes enable row level security; create policy p on notes using (" + c.policy + ")")
			}
			k := s.keep(anon, "notes", `,"filter":"room=eq.1","select":["id","room","body"]`)
			p.exec(c.enter)
			k.sync()
			k.wantReasons("join")
			for _, row := range k.rows {
				if !strings.Contains(row, `"body":"n`) || strings.Contains(row, "more") {
					t.Errorf("a row has not what was selected: %.100s", row)
				}
			}
			if want := p.selects(anon, "notes", "room = 1"); len(want) != len(k.rows) {
				t.Errorf("the client has %d rows; SELECT says %d", len(k.rows), len(want))
			}
			p.exec("begin; update notes set room = 7 where id < 4; update notes set room = 1 where id < 4; update notes set body = 'short' where id = 2; commit")
			k.sync()
			if !slices.Contains(k.lines, "INSERT >1 by UPDATE") && !slices.Contains(k.reasons, "resync") {
				t.Errorf("a row that left and entered came as %q", k.lines[max(0, len(k.lines)-12):])
			}
			for key, row := range k.rows {
				if short := strings.Contains(row, `"short"`); short != (key == "2") {
					t.Errorf("row %s is %.100s", key, row)
				}
			}
		})
	}
}
