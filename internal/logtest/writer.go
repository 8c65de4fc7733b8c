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
	Written []*wal.Change  // the changes of the newest transaction

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
	w.Written = nil
	w.number(changes)
	w.Changes.Append(time.Now(), append(changes[:len(changes):len(changes)], w.end()...), w.LSN+8)
}

// Begin appends the first changes of a transaction to the log.
func (w *Writer) Begin(changes ...*wal.Change) {
	w.LSN += 0x100
	w.Written = nil
	w.GoOn(changes...)
}

// GoOn appends more changes of the transaction that has begun.
func (w *Writer) GoOn(changes ...*wal.Change) {
	w.number(changes)
	w.Changes.Append(time.Now(), changes, 0)
}

// End appends the end of the transaction that has begun.
func (w *Writer) End() { w.Changes.Append(time.Now(), w.end(), w.LSN+8) }

// number gives changes their place in the transaction.
func (w *Writer) number(changes []*wal.Change) {
	for _, c := range changes {
		c.Position = wal.Position{LSN: w.LSN, Seq: uint32(len(w.Written))}
		if c.CommitTime.IsZero() {
			c.CommitTime = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
		}
		c.Bytes = 100
		w.Written = append(w.Written, c)
	}
}

// end is the Commit of a transaction, none if it has changed no table.
func (w *Writer) end() []*wal.Change {
	for _, c := range w.Written {
		if c.Operation != wal.Message {
			at := wal.Position{LSN: w.LSN, Seq: uint32(len(w.Written))}
			return []*wal.Change{{Operation: wal.Commit, Position: at, XID: c.XID, CommitTime: c.CommitTime, Bytes: 100}}
		}
	}
	return nil
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
