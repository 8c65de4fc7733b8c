package server

import (
	"testing"
	"time"

	"walcast/internal/devdb"
)

// TestMessagesFromSQLComeAtOnceAfterAMigration makes the schema realtime while a server
// runs, whose slot is older than the publication and is held back by the window.
func TestMessagesFromSQLComeAtOnceAfterAMigration(t *testing.T) {
	db := appDatabase(t)
	config := configFor(db)
	config.Log.Window = time.Hour
	s := startServer(t, config)
	c := s.dial(t, "1.0.0")
	c.join("realtime:room", "")
	db.Exec(`insert into messages values (1, 42, 'a')`)
	c.wantChanges("INSERT 1 a")
	migrate(t, db)
	sendFromSQL(db, "first")
	if got := c.hears(); got != "first" {
		t.Errorf("heard %q; want the first message after the migration", got)
	}
	db.Exec(`insert into messages values (2, 42, 'b')`)
	c.wantChanges("INSERT 2 b")
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	sendFromSQL(db, "while it was away")
	again := startServer(t, config) // and reads all of the window again
	c = again.dial(t, "1.0.0")
	c.join("realtime:room", "")
	sendFromSQL(db, "later")
	if got := c.hears(); got != "later" {
		t.Errorf("heard %q after a restart; want what was sent after it", got)
	}
}

func sendFromSQL(db *devdb.DB, text string) {
	db.Exec(`select realtime.send(jsonb_build_object('text', $1::text), 'e', 'room', false)`, text)
}
