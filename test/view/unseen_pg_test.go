package view

import (
	"testing"

	"walcast/internal/devdb"
)

// A commit stands in the WAL that no snapshot sees, for as long as a standby keeps it
// waiting: the view waits for it, and others go on.
func TestAViewAndACommitThatNobodySeesYet(t *testing.T) {
	s := openOn(t, devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"}}), rooms, nil)
	p := s.connect()
	p.exec(`insert into members values (0, '8'); update notes set body = 'known' where id = 2`) // the stream describes both tables
	c, other := s.keep(alice, "notes", ""), s.keep(alice, "members", "")
	p.exec(`insert into members values (0, '7')`)
	other.until(`INSERT >0,"7"`)
	release := s.db.CommitUnseen(`insert into members values (3, '3'); insert into notes values (30, 3, 'unseen')`)
	p.exec(`insert into members values (0, '9'); update notes set body = 'seen' where id = 1`)
	other.until(`INSERT >0,"9"`)
	for len(c.reasons) < 5 { // each of these snapshots comes after a pause that grows
		c.step()
	}
	release()
	c.want(p, "notes", "true")
	other.want(p, "members", "true")
	if len(c.reasons) > 12 {
		t.Errorf("%d snapshots came", len(c.reasons))
	}
}
