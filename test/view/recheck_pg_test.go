package view

import (
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/server"
)

// What nothing tells of is looked at again, and the client is told so at the start.
func TestAViewThatDependsOnWhatNothingTellsOf(t *testing.T) {
	for name, c := range map[string]struct{ policy, change string }{
		"a table that is not published": {"exists (select from members m where m.room = notes.room)", "delete from members where room = 1"},
		"what a function reads":         {"sees(room)", "delete from members where room = 2"},
		"the clock":                     {"created > now() - interval '3 s'", "select 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, notes+`
				create table members (room int primary key); grant select on members to anon; insert into members values (1), (2);
				create function sees(int) returns boolean language plpgsql stable as 'begin return exists (select from members where room = $1); end';
				alter table notes add column created timestamptz default now(); alter table notes enable row level security;
				create policy p on notes using (`+c.policy+`); create publication supabase_realtime for table notes`,
				func(c *server.Config) { c.Channels.ViewRecheck = 500 * time.Millisecond })
			p := s.connect()
			k := s.keep(anon, "notes", "")
			if !slices.Equal(k.codes, []string{"view_rechecked"}) || strings.Contains(k.told, "members") || strings.Contains(k.told, "sees") {
				t.Errorf("the client was told %q, %s; want view_rechecked without the names in the policy", k.codes, k.told)
			}
			p.exec(`update notes set body = 'x' where id < 5`)
			p.exec(c.change)
			k.until("snapshot_end")
			k.want(p, "notes", "true")
			k.wantReasons("join", "access")
			if len(k.rows) == 9 {
				t.Errorf("the client has all rows still")
			}
			p.exec(`insert into notes values (100, 2, 'y')`)
			for k.rows["100"] == "" && name != "what a function reads" {
				k.step()
			}
			if len(k.reasons) > 3 {
				t.Errorf("snapshots came for %q; want none where nothing is new", k.reasons)
			}
		})
	}
}
