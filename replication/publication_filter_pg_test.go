package replication

import (
	"context"
	"strings"
	"testing"

	"walcast/internal/devdb"
	"walcast/replication/changelog"
)

// parts is orders with a second published table, whose row filter raises for the id 0.
// It is nil where publications have no row filters.
func parts(t *testing.T) *devdb.DB {
	t.Helper()
	return partsOf(orders(t))
}

func partsOf(db *devdb.DB) *devdb.DB {
	if db.Server.Major < filterVersion/10000 {
		return nil
	}
	db.Exec(`create table parts (id int primary key); alter publication pub add table parts where (10 / id > 0)`)
	return db
}

// recreated is how often the slot was made anew as a row filter raised.
func (r *reading) recreated() float64 {
	r.t.Helper()
	return r.metric("walcast_replication_slot_recreated_total", changelog.CodePublicationFilter)
}

// untilStopped waits until the reader waits for the owner of the database, as a row filter
// of parts raises.
func (r *reading) untilStopped() {
	r.t.Helper()
	r.until("it to be told", func() bool { s := r.reader.Status(); return s.FilterRaises() && !s.Streaming })
	r.until("the advice", func() bool {
		said := r.reader.Status().Error
		return strings.Contains(said, `the row filter WHERE ((10 / id) > 0) of publication pub for public.parts raises SQLSTATE 22012 for a row at 0/`) &&
			strings.Contains(said, `ALTER PUBLICATION … SET TABLE`)
	})
}

// goesOn waits until the reader reads on, without what was lost for a reason.
func (r *reading) goesOn(db *devdb.DB, reason string) {
	r.t.Helper()
	r.wantResync(reason)
	r.waitStreaming()
	db.Exec(`insert into orders values (7, 'on')`)
	r.want("INSERT orders 7 on")
}

// untilLooked waits until the publications were looked at twice more.
func (r *reading) untilLooked() {
	r.t.Helper()
	const line = "replication interrupted"
	said := strings.Count(r.lines.String(), line)
	r.until("two more looks", func() bool { return strings.Count(r.lines.String(), line) >= said+2 })
}

// TestARowFilterThatRaisesStopsTheStreamUntilItIsMended in any of the ways that there are.
// Nobody touches the slot.
func TestARowFilterThatRaisesStopsTheStreamUntilItIsMended(t *testing.T) {
	t.Parallel()
	for name, mend := range map[string]string{
		"corrected":         `alter publication pub set table orders, parts where (id > 0)`,
		"left out":          `alter publication pub set table orders, parts`,
		"table left":        `alter publication pub drop table parts`,
		"table dropped":     `drop table parts`,
		"nothing inserted":  `alter publication pub set (publish = 'update, delete, truncate'); alter publication pub set (publish = 'insert, update, delete, truncate'); alter publication pub set table orders`,
		"publication anew":  `drop publication pub; create publication pub for table orders`,
		"the whole table":   `drop publication pub; create publication pub for all tables`,
		"the table is anew": `drop table parts; create table parts (id int primary key); alter publication pub add table parts`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := parts(t)
			if db == nil {
				return
			}
			r := startReader(t, db, holding())
			db.Exec(`insert into parts values (1); insert into orders values (1, 'a')`)
			r.want("INSERT parts 1", "INSERT orders 1 a")
			db.Exec(`insert into orders values (2, 'lost'); insert into parts values (0)`)
			r.untilStopped()
			history := r.log.History()
			db.Exec(`insert into parts values (2); create table other (id int primary key); alter publication pub add table other where (1 / id > 0)`)
			r.untilLooked()
			if got := r.log.History(); got != history || r.recreated() != 0 {
				t.Errorf("history %+v begins while the filter still raises, %v slots were made anew; want neither", got, r.recreated())
			}
			db.Exec(mend)
			r.goesOn(db, changelog.CodePublicationFilter)
			if got := r.recreated(); got != 1 {
				t.Errorf("the slot was made anew %v times; want once", got)
			}
		})
	}
}

// TestARowFilterThatRaisesSaysNothingOfTheRow, as Postgres would.
func TestARowFilterThatRaisesSaysNothingOfTheRow(t *testing.T) {
	t.Parallel()
	db := orders(t)
	if db.Server.Major < 15 {
		return
	}
	db.Exec(`create table notes (id int primary key, note text); alter table notes replica identity full; alter publication pub add table notes where (decode(note, 'hex') > '')`)
	r := startReader(t, db, holding())
	db.Exec(`insert into notes values (1, 'confidential')`)
	r.until("it to be told", func() bool {
		return strings.Contains(r.reader.Status().Error, "SQLSTATE 22023") && r.reader.Status().FilterRaises()
	})
	if strings.Contains(r.lines.String(), "hexadecimal") || strings.Contains(r.reader.Status().Error, "hexadecimal") {
		t.Errorf("a part of the row is in the log or the status:\n%s", r.lines)
	}
}

// TestARowFilterThatStillRaisesStopsTheStreamAgain: what raised was lost and told, and what
// the new filter raises for is a matter of its own.
func TestARowFilterThatStillRaisesStopsTheStreamAgain(t *testing.T) {
	t.Parallel()
	db := parts(t)
	if db == nil {
		return
	}
	r := startReader(t, db, holding())
	db.Exec(`insert into parts values (0)`)
	r.untilStopped()
	db.Exec(`alter publication pub set table orders, parts where (10 / (id - 1) > 0)`)
	r.wantResync(changelog.CodePublicationFilter)
	r.waitStreaming()
	db.Exec(`insert into parts values (1)`)
	r.until("it to be told", func() bool { return strings.Contains(r.reader.Status().Error, `(10 / (id - 1)) > 0`) })
	r.untilLooked()
	db.Exec(`alter publication pub set table orders, parts`)
	r.goesOn(db, changelog.CodePublicationFilter)
	if got := r.recreated(); got != 2 {
		t.Errorf("the slot was made anew %v times; want twice", got)
	}
}

// TestATransactionThatIsOpenWhenARowFilterIsMended has a row that the old filter raises for.
// It is left behind, with all that came before the slot.
func TestATransactionThatIsOpenWhenARowFilterIsMended(t *testing.T) {
	t.Parallel()
	db := partsOf(ownServer(t, nil)) // elsewhere other tests' slots would wait for the transaction
	if db == nil {
		return
	}
	r := startReader(t, db, holding())
	open, err := db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer open.Rollback(context.WithoutCancel(t.Context()))
	db.Exec(`insert into parts values (0)`)
	r.untilStopped()
	db.Exec(`delete from parts`)
	if _, err := open.Exec(t.Context(), `insert into parts values (0)`); err != nil {
		t.Fatal(err)
	}
	db.Exec(`alter publication pub set table orders, parts`)
	r.until("the slot to be made", func() bool { slot := r.slot(); return slot != nil && slot.Confirmed == 0 })
	if err := open.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.goesOn(db, changelog.CodePublicationFilter)
	if got := r.recreated(); got != 1 {
		t.Errorf("the slot was made anew %v times; want once", got)
	}
}

// TestAReaderThatBeginsGoesPastARowThatCannotBeDecoded, as it does not know whether the filter
// that raised for it is one of those that are there. One that is stops it at the next row.
func TestAReaderThatBeginsGoesPastARowThatCannotBeDecoded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ mend, raises string }{
		"corrected":            {mend: `alter publication pub set table orders, parts where (id > 0)`},
		"left out":             {mend: `alter publication pub set table orders, parts`},
		"its table has left":   {mend: `alter publication pub drop table parts`},
		"its table is dropped": {mend: `drop table parts`},
		"as it was":            {raises: `update parts set id = 1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := parts(t)
			if db == nil {
				return
			}
			db.Exec(`create table other (id int primary key); alter publication pub add table other where (id > 7)`)
			first := startReader(t, db, holding())
			db.Exec(`insert into orders values (2, 'b')`)
			first.want("INSERT orders 2 b")
			first.stop()
			db.Exec(`insert into parts values (0)`)
			db.Exec(c.mend)
			r := runReader(t, db, holding())
			r.goesOn(db, changelog.CodePublicationFilter)
			if got := r.recreated(); got != 1 {
				t.Errorf("the slot was made anew %v times; want once", got)
			}
			if c.raises == "" {
				return
			}
			db.Exec(c.raises)
			r.until("it to be told", func() bool { return r.reader.Status().FilterRaises() })
			r.untilLooked()
			db.Exec(`alter publication pub set table orders, parts`)
			r.wantResync(changelog.CodePublicationFilter)
			if got := r.recreated(); got != 2 {
				t.Errorf("the slot was made anew %v times; want twice", got)
			}
		})
	}
}

// TestASlotThatSomebodyElseHelps while a row filter raises: the reader goes on where the slot
// is by then. The filter may raise for nothing that comes.
func TestASlotThatSomebodyElseHelps(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ help, reason string }{
		"dropped": {`select pg_drop_replication_slot($1)`, changelog.CodeSlotMissing},
		"moved":   {`select pg_replication_slot_advance($1, pg_current_wal_lsn())`, changelog.CodeSlotAdvanced},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := parts(t)
			if db == nil {
				return
			}
			r := startReader(t, db, holding())
			db.Exec(`insert into parts values (0)`)
			r.untilStopped()
			r.until("the slot to be free", func() bool {
				_, err := db.Pool.Exec(t.Context(), c.help, db.Name)
				return err == nil
			})
			r.goesOn(db, c.reason)
		})
	}
}
