// Package logtest gives tests a log of changes that they write by hand, to tables
// of a real Postgres: what follows the log meets real types, grants and policies,
// and each test says exactly which changes come, and when.
//
// It is for tests only. Neighbours: the tests of channels and of channels/fanout.
package logtest

import (
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// publication has all tables of a Database.
const publication = "rows"

// Database makes a database by the statements, with Supabase's roles, and publishes
// all its tables.
func Database(t testing.TB, statements ...string) *devdb.DB {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	for _, s := range statements {
		db.Exec(s)
	}
	db.Exec("create publication " + publication + " for all tables")
	return db
}

// Catalog is that of the published tables of a Database.
func Catalog(db *devdb.DB) catalog.Catalog { return catalog.New(db.Pool, []string{publication}) }

// Writer appends changes to a log as the reader would.
type Writer struct {
	Changes *changelog.Log // the log that is written; may be replaced
	LSN     wal.LSN        // of the newest commit

	t  testing.TB
	db *devdb.DB
}

// NewWriter returns a writer to a log of an hour that has not begun, about tables
// of a Database.
func NewWriter(t testing.TB, db *devdb.DB) *Writer {
	return &Writer{Changes: changelog.New(changelog.Config{Bytes: 64 << 20, Window: time.Hour}), LSN: 0x1000, t: t, db: db}
}

// Relation is a published table as the stream would describe it.
func (w *Writer) Relation(table string) *wal.Relation {
	w.t.Helper()
	found, err := Catalog(w.db).Published(w.t.Context(), "public", table)
	if err != nil || len(found) != 1 {
		w.t.Fatalf("Published(%q) = %v, %v; want one relation", table, found, err)
	}
	return found[0]
}

// Commit appends one transaction of changes to the log.
func (w *Writer) Commit(changes ...*wal.Change) {
	w.LSN += 0x100
	for i, c := range changes {
		c.Position = wal.Position{LSN: w.LSN, Seq: uint32(i)}
		if c.CommitTime.IsZero() {
			// Later than all that Postgres tells of itself, or nobody could say who may see it.
			c.CommitTime = time.Date(2126, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
		}
		c.Bytes = 100
	}
	w.Changes.Append(time.Now(), changes, w.LSN+8)
}

// CatchUp has what is committed from here on come after all that the database has
// done: a change of access comes before the rows that are written after it.
func (w *Writer) CatchUp() {
	w.t.Helper()
	var text string
	if err := w.db.Pool.QueryRow(w.t.Context(), "select pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		w.t.Fatal(err)
	}
	lsn, err := wal.ParseLSN(text)
	if err != nil {
		w.t.Fatal(err)
	}
	w.LSN = max(w.LSN, lsn&^7)
}

// Row is a row of text values; "NULL" is null.
func Row(values ...string) (r wal.Row) {
	for _, v := range values {
		if v == "NULL" {
			r = append(r, wal.Value{Kind: wal.Null})
			continue
		}
		r = append(r, wal.Value{Kind: wal.Text, Text: v})
	}
	return r
}

// Insert is the change that inserts a row of text values.
func Insert(rel *wal.Relation, values ...string) *wal.Change {
	return &wal.Change{Operation: wal.Insert, Relation: rel, New: Row(values...)}
}
