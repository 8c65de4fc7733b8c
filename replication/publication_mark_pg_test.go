package replication

import (
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// extra has a reader read a publication of that name too, once there is one.
func extra(s *setup) { s.config.OptionalPublications = []string{"extra"} }

// makeExtra publishes a table and marks that in the WAL, as a migration does.
const makeExtra = `
	create publication extra for table extras;
	select pg_logical_emit_message(true, 'walcast', 'publication extra')`

// TestAPublicationThatIsYoungerThanTheSlotIsReadAtOnce has a window that holds back the
// slot all the time, behind changes that the publication is younger than.
func TestAPublicationThatIsYoungerThanTheSlotIsReadAtOnce(t *testing.T) {
	t.Parallel()
	db := orders(t)
	db.Exec(`create table extras (id int primary key)`)
	unwatched := func(s *setup) { extra(s); s.timing.publications = time.Hour }
	r := startReader(t, db, holding(), unwatched)
	db.Exec(`insert into orders values (1, 'a'); insert into extras values (0)`)
	r.want("INSERT orders 1 a")
	before, history := r.slot().Confirmed, r.log.History()
	db.Exec(`begin;` + makeExtra + `; commit; insert into extras values (1); insert into orders values (2, 'b')`)
	want := []string{"INSERT extras 1", "INSERT orders 2 b"}
	live := r.want(want...)
	if after := r.slot().Confirmed; after != before || r.log.History() != history || r.reader.Status().Confirmed != before {
		t.Errorf("the slot went from %s to %s (%s), the history from %+v to %+v; want neither to change",
			before, after, r.reader.Status().Confirmed, history, r.log.History())
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	// Everything of the window is read again, in its place.
	again := startReader(t, db, holding(), unwatched).want(append([]string{"INSERT orders 1 a"}, want...)...)
	for i := range live {
		if again[i+1].Position != live[i].Position {
			t.Errorf("%s is at %s after a restart; want %s", want[i], again[i+1].Position, live[i].Position)
		}
	}
}

// TestAPublicationIsReadOnceItsTransactionIsShown: Postgres sends a mark before other
// sessions see the publication, so that a stream that began anew at once would be one
// without it.
func TestAPublicationIsReadOnceItsTransactionIsShown(t *testing.T) {
	t.Parallel()
	db := waitingServer(t)
	db.Exec(`create table extras (id int primary key)`)
	r := startReader(t, db, holding(), extra, func(s *setup) { s.timing.publications = time.Hour })
	release := db.CommitUnseen(makeExtra)
	waitUntilAsked(r)
	db.Exec(`insert into orders values (1, 'a')`)
	r.wantNothing()
	release()
	db.Exec(`insert into extras values (1)`)
	r.want("INSERT orders 1 a", "INSERT extras 1")
}

// TestAPublicationThatOthersMakeIsRead has no mark of who made it.
func TestAPublicationThatOthersMakeIsRead(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding(), extra)
	db.Exec(`insert into orders values (1, 'a')`)
	r.want("INSERT orders 1 a")
	db.Exec(`create table extras (id serial primary key); create publication extra for table extras`)
	r.until("it to be read", func() bool {
		db.Exec(`insert into extras default values`)
		return r.comes("INSERT extras")
	})
	if !strings.Contains(r.lines.String(), "publication is not read yet") {
		t.Errorf("no line says that what came before is not read:\n%s", r.lines)
	}
}

// TestATransactionThatIsOlderThanAPublicationDoesNotStopIt leaves one open meanwhile,
// which has written before: Postgres 17 and older refuse to read it with the publication.
func TestATransactionThatIsOlderThanAPublicationDoesNotStopIt(t *testing.T) {
	t.Parallel()
	db := orders(t)
	db.Exec(`create table extras (id serial primary key); create table others (id int primary key)`)
	r := startReader(t, db, holding(), extra)
	older, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.Exec(t.Context(), `insert into others values (1); insert into orders values (1, 'old')`); err != nil {
		t.Fatal(err)
	}
	db.Exec(`begin;` + makeExtra + `; commit; insert into extras values (1000)`)
	r.want("INSERT extras 1000")
	if err := older.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.want("INSERT orders 1 old")
	r.until("it to be read on", func() bool {
		db.Exec(`insert into extras default values`)
		return r.comes("INSERT extras")
	})
}

// TestAMarkOfWhatIsReadAlreadyChangesNothing, nor one of what nobody asked for.
func TestAMarkOfWhatIsReadAlreadyChangesNothing(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(`create table orders (id int primary key, item text); create publication pub for table orders;
		create table extras (id int primary key); create publication extra for table extras`)
	r := startReader(t, db, changelog.Config{Window: time.Hour, Bytes: 1 << 20}, extra)
	since := r.reader.Status().Since
	for _, name := range []string{"extra", "nothing", ""} {
		db.Exec(`select pg_logical_emit_message(true, 'walcast', 'publication ' || $1)`, name)
	}
	db.Exec(`insert into extras values (1)`)
	r.want("INSERT extras 1")
	if r.reader.Status().Since != since {
		t.Errorf("the stream began anew:\n%s", r.lines)
	}
}
