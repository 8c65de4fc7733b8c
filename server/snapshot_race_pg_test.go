package server

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"walcast/internal/devdb"
	_ "walcast/internal/property"
)

// A commit stands in the WAL, and has been read from there, while the snapshot does not
// see it.
func TestACommitThatTheSnapshotDoesNotSeeYetIsNotLost(t *testing.T) {
	db := notesDatabase(t, map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"})
	s := startServer(t, configFor(db))
	plain := s.dial(t, "2.0.0")
	plain.joinWith(room, strings.Replace(everything, "messages", "notes", 1))
	db.Exec(`insert into notes values (200, 1, 'so that the table is known')`)
	plain.wantEvents("INSERT 200", "END")
	first := db.CommitUnseen(`insert into notes values (201, 1, 'unseen'); update notes set body = 'unseen' where id = 1`)
	db.Exec(`insert into notes values (202, 1, 'seen, and later in the WAL')`)
	second := db.CommitUnseen(`delete from notes where id = 2`)
	db.Exec(`update notes set body = 'seen too' where id = 202`)
	for i := 0; i < 2; { // the log has both
		if e := plain.event(); e.line == "DELETE 2" || e.line == "INSERT 202" {
			i++
		}
	}
	k := s.keep(t, firstRows("notes", ""))
	if _, has := k.rows["201"]; has || k.rows["2"] == "" {
		t.Errorf("the snapshot has %q; want it not to see what waits", k.rows)
	}
	k.until("commit")
	k.until("commit")
	if _, has := k.rows["201"]; !has || k.rows["2"] != "" || !strings.Contains(k.rows["202"], "seen too") {
		t.Errorf("after the changes there is %q; want what was not seen", k.rows)
	}
	again := s.joinTable(t, firstRows("notes", `,"resume":{"from":"`+k.resumed+`"}`))
	first()
	second()
	k.want(db, noteRows)
	again.until("snapshot_end") // from where it goes on come changes that it had, and some that it had not
	if !slices.Equal(again.reasons, []string{"resync"}) {
		t.Errorf("a resume where snapshot and WAL differ got snapshots %q; want one to resync", again.reasons)
	}
	again.want(db, noteRows)
}

// Postgres restarts while a snapshot waits for it, and while clients have tables.
func TestSnapshotsWhilePostgresRestarts(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	k := s.keep(t, firstRows("notes", ""))
	lock := open(t, db)
	lock(`begin; lock table notes in access exclusive mode`)
	waiting := s.joinTable(t, firstRows("notes", ""))
	waiting.until("Subscribed to PostgreSQL")
	db.StopServer()
	waiting.until("database_away")
	db.StartServer()
	for waiting.resumed == "" { // the lock may have ended before the snapshot did
		waiting.step()
	}
	db.Exec(`insert into notes values (300, 1, 'after')`)
	for _, each := range []*table{k, waiting} {
		each.want(db, noteRows)
	}
}

// joinLocked joins notes, whose snapshot then waits for the end of a transaction that has
// locked it. exec is that transaction's. No client must have asked for rows by the same
// filter, as it could share a snapshot with that one.
func (s *running) joinLocked(t *testing.T, db *devdb.DB, filter string) (k *table, exec func(sql string)) {
	t.Helper()
	exec = open(t, db)
	exec(`begin; lock table notes in access exclusive mode`)
	k = s.joinTable(t, firstRows("notes", `,"filter":"`+filter+`"`))
	k.until("Subscribed to PostgreSQL")
	eventually(t, "the snapshot waits for the table", func() (waits bool) {
		err := db.Pool.QueryRow(t.Context(), `select exists (select from pg_locks where not granted and relation = 'notes'::regclass)`).Scan(&waits)
		return err == nil && waits
	})
	return k, exec
}

// The table is altered, rewritten and emptied between the snapshot and its query: an
// older snapshot finds nothing in a table that was written anew since.
func TestSnapshotsWhileTheTableIsAltered(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	for name, c := range map[string]struct{ filter, sql, query string }{
		"a column is added":       {"id=gt.-1", `alter table notes add column more text`, noteRows},
		"it is rewritten":         {"id=gt.-2", `alter table notes alter column room type int using room + 0, drop column if exists more`, noteRows},
		"two names are exchanged": {"id=gt.-3", `alter table notes rename column room to x; alter table notes rename column id to room; alter table notes rename column x to id; alter table notes drop constraint notes_pkey, add column n serial primary key`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k, lock := s.joinLocked(t, db, c.filter)
			lock(c.sql)
			lock(`commit`)
			k.until("snapshot_end")
			if len(k.rows) != 20 {
				t.Errorf("the snapshot has %d rows; want 20: %q", len(k.rows), k.rows)
			}
			if c.query != "" {
				k.want(db, c.query)
			}
		})
		if c.query == "" {
			db.Exec(`drop table notes; ` + strings.Split(notesTable, "create publication")[0] + `; alter publication supabase_realtime add table notes`)
			db.Exec(`insert into notes select n, n % 3, 'n' || n from generate_series(1, 20) n`)
		}
	}
}

// A table that is truncated meanwhile is empty, or was not: nothing between.
func TestASnapshotWhileTheTableIsTruncated(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	k, lock := s.joinLocked(t, db, "id=gt.0")
	lock(`truncate notes; insert into notes values (1, 1, 'new'); commit`)
	k.until("snapshot_end")
	k.want(db, noteRows)
}

// fates are how transactions of the property test end.
var fates = []string{"commit", "rollback", "prepare"}

// writing is a connection of the property test, with a transaction that is under way.
type writing struct {
	exec     func(string)
	isOpen   bool
	prepared []string
}

// TestRandomTransactionsAndSnapshots interleaves transactions with joins, and compares
// what each client has with SELECT.
func TestRandomTransactionsAndSnapshots(t *testing.T) {
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	writers := make([]*writing, 4)
	for i := range writers {
		writers[i] = &writing{exec: open(t, db)}
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		db.Exec(`delete from notes where id > 20`)
		for _, w := range writers {
			w.prepared = nil
		}
		var clients []*table
		for step := range rapid.IntRange(5, 25).Draw(rt, "steps") {
			w := writers[rapid.IntRange(0, len(writers)-1).Draw(rt, "writer")]
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0, 1:
				clients = append(clients, s.joinTable(t, firstRows("notes", rapid.SampledFrom([]string{"", `,"filter":"id=gt.0"`, `,"order":"id"`}).Draw(rt, "binding"))))
			case 2, 3, 4:
				w.end(rapid.SampledFrom(fates).Draw(rt, "fate"), fmt.Sprintf("p%d_%d", round, step))
			default:
				w.write(rt, 1000*(1+slices.Index(writers, w)), step)
			}
		}
		for i, w := range writers {
			w.end(fates[i%2], "")
			for _, name := range w.prepared {
				w.exec(rapid.SampledFrom([]string{"commit prepared '", "rollback prepared '"}).Draw(rt, "end") + name + "'")
			}
		}
		for _, k := range clients {
			k.until("snapshot_end")
			k.want(db, noteRows)
			k.conn.Close()
		}
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// end ends what is under way.
func (w *writing) end(fate, name string) {
	switch {
	case !w.isOpen:
		return
	case fate == "prepare" && len(w.prepared) < 3 && name != "":
		w.exec("prepare transaction '" + name + "'")
		w.prepared = append(w.prepared, name)
	case fate == "rollback":
		w.exec("rollback")
	default:
		w.exec("commit")
	}
	w.isOpen = false
}

// write changes a row that is this writer's alone, at times within a savepoint. first is
// the writer's first id. Rows of a prepared transaction are left alone, which would wait
// for its end.
func (w *writing) write(t *rapid.T, first, step int) {
	first += 100 * len(w.prepared)
	if !w.isOpen {
		w.exec("begin")
		w.isOpen = true
	}
	statement := fmt.Sprintf("insert into notes values (%d, 1, 'x') on conflict (id) do update set body = notes.body || '+'", first+step/2)
	switch rapid.IntRange(0, 5).Draw(t, "how") {
	case 0:
		w.exec("savepoint s; " + statement + "; release s")
	case 1:
		w.exec("savepoint s; " + statement + "; rollback to s")
	case 2:
		w.exec(fmt.Sprintf("delete from notes where id between %d and %d", first, first+step))
	default:
		w.exec(statement)
	}
}

// Many write as fast as they can, while clients come, with commits of all kinds. What
// each client has is what some moment has, and in the end what SELECT says. Clients read
// at the end, so that what waits for them is bounded.
func TestClientsComeWhileManyWrite(t *testing.T) {
	const comers, writers, each = 30, 6, 15
	db := notesDatabase(t, nil)
	s := startServer(t, configFor(db))
	write := func(n int) error {
		return pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "set local synchronous_commit = "+[]string{"on", "off", "local"}[n%3])
			if err == nil && n%2 == 0 {
				_, err = tx.Exec(t.Context(), "savepoint s")
			}
			if err == nil {
				_, err = tx.Exec(t.Context(), "insert into notes values ($1, 1, 'x')", n)
			}
			if err == nil && n > 1100 {
				_, err = tx.Exec(t.Context(), "delete from notes where id = $1", n-60)
			}
			return err
		})
	}
	var clients []*table
	for comer := range comers {
		var writing sync.WaitGroup
		for writer := range writers {
			writing.Go(func() {
				for i := range each {
					if err := write(1000 + (comer*each+i)*writers + writer); err != nil {
						t.Error(err)
					}
				}
			})
		}
		clients = append(clients, s.keep(t, firstRows("notes", "")))
		writing.Wait()
	}
	for _, k := range clients {
		k.want(db, noteRows)
	}
}
