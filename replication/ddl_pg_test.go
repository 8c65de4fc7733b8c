package replication

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/devdb"
	"walcast/replication/wal"
)

// columnsOf lists the columns of a change's relation.
func columnsOf(c *wal.Change) string {
	names := make([]string, len(c.Relation.Columns))
	for i, column := range c.Relation.Columns {
		names[i] = column.Name + " " + column.Type.Name
	}
	return c.Relation.Table + "(" + strings.Join(names, ", ") + ")"
}

// TestSchemaChangesInsideATransaction decodes each row with the table as it was
// when the row was written, not as it is when the row is read.
func TestSchemaChangesInsideATransaction(t *testing.T) {
	t.Parallel()
	db := orders(t)
	r := startReader(t, db, holding())
	db.Exec(`begin;
		insert into orders values (1, '10');
		alter table orders add column note text default 'none';
		insert into orders values (2, '20');
		alter table orders rename column item to thing;
		insert into orders values (3, '30', 'three');
		alter table orders alter column thing type int using thing::int;
		insert into orders values (4, 40, 'four');
		alter table orders drop column note;
		insert into orders values (5, 50);
		alter table orders rename to purchases;
		insert into purchases values (6, 60);
		alter table purchases replica identity full;
		update purchases set thing = 61 where id = 6;
		commit`)
	db.Exec(`drop table purchases`) // before the reader may have asked for anything
	want := []string{
		"orders(id int4, item text): INSERT orders 1 10",
		"orders(id int4, item text, note text): INSERT orders 2 20 none",
		"orders(id int4, thing text, note text): INSERT orders 3 30 three",
		"orders(id int4, thing int4, note text): INSERT orders 4 40 four",
		"orders(id int4, thing int4): INSERT orders 5 50",
		"purchases(id int4, thing int4): INSERT purchases 6 60",
		"purchases(id int4, thing int4): UPDATE purchases 6 61 was 6 60",
	}
	var got []string
	for _, c := range r.next(len(want)) {
		got = append(got, columnsOf(c)+": "+describeChange(c))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes differ (-want +got):\n%s", diff)
	}
}

// schemaChanges are what people do to a table in use.
func schemaChanges() []string {
	return []string{
		`alter table orders add column a int default 7`,
		`alter table orders rename column item to thing`,
		`alter table orders alter column a type bigint`,
		`create index on orders (thing)`,
		`alter table orders replica identity full`,
		`begin; alter table orders rename to aside; alter table aside rename to orders; commit`,
		`grant select on orders to public`,
		`alter table orders enable row level security`,
		`analyze orders`,
		`begin; drop table orders; create table orders (id int primary key, item text); alter publication pub add table orders; commit`,
		`alter table orders drop column item`,
		`alter publication pub set (publish = 'insert')`,
	}
}

// insertNumbers inserts first, first+step, … until done is closed, each again
// until it is in, and returns where it stopped.
func insertNumbers(db *devdb.DB, first, step int, done <-chan struct{}) (next int, err error) {
	conn, err := pgx.Connect(context.Background(), db.DSN)
	if err != nil {
		return first, err
	}
	defer conn.Close(context.Background())
	for n := first; ; {
		select {
		case <-done:
			return n, nil
		default:
		}
		_, err := conn.Exec(context.Background(), `insert into orders (id) values ($1)`, n)
		var pg *pgconn.PgError
		switch {
		case err == nil:
			n += step
		case !errors.As(err, &pg): // what Postgres refuses amid a change is not written
			return n, err
		}
	}
}

// tally counts the rows that come, by their first column.
type tally map[string]int

// take reads n changes, each with as many values as it has columns.
func (y tally) take(r *reading, n int) {
	r.t.Helper()
	for _, c := range r.next(n) {
		if len(c.New) != len(c.Relation.Columns) {
			r.t.Fatalf("%s has %d values for %s", describeChange(c), len(c.New), columnsOf(c))
		}
		y[c.New[0].Text]++
	}
}

// TestSchemaChangesUnderLoad changes the table while several write to it. Each
// row that was committed comes once.
func TestSchemaChangesUnderLoad(t *testing.T) {
	t.Parallel()
	const writers, between = 3, 30
	db := orders(t)
	r := startReader(t, db, holding())
	done := make(chan struct{})
	type end struct {
		rows int
		err  error
	}
	ends := make(chan end, writers)
	for w := range writers {
		go func() {
			next, err := insertNumbers(db, w, writers, done)
			ends <- end{(next - w) / writers, err}
		}()
	}
	seen := tally{}
	for _, sql := range schemaChanges() {
		seen.take(r, between)
		db.Exec(sql)
	}
	close(done)
	total := 0
	for range writers {
		e := <-ends
		if e.err != nil {
			t.Fatal(e.err)
		}
		total += e.rows
	}
	seen.take(r, total-between*len(schemaChanges()))
	if len(seen) != total { // as many came, so some came twice
		t.Errorf("%d different rows came; %d were written", len(seen), total)
	}
	if got := r.metric("walcast_replication_reconnects_total", causeControl); got != 0 {
		t.Errorf("the stream was started anew %v times for the catalog", got)
	}
}
