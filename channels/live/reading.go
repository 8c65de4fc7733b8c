package live

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/internal/conninfo"
	"walcast/policy"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// reading is one attempt to read the snapshot of a batch. Two transactions do it. The
// first is REPEATABLE READ: it looks at the catalog, becomes the subject, and declares a
// cursor for each binding, whose rows Postgres evaluates and keeps when the transaction
// ends. So filters and policies have the settings that the database's users expect,
// and Postgres holds no snapshot while rows are sent. The second prints the rows with
// the settings that the rows of the WAL are printed with.
type reading struct {
	of      *Snapshots
	batch   *batch
	spelled filters.Spelling
	stored  bool // rows are sent in the encoding of the database, as one has text without UTF-8

	conn     *pgx.Conn
	tables   []*table
	since    changelog.Standing // the log was complete up to here before the snapshot
	snapshot *Snapshot
	block    block
	path     string // the search_path of the query, "" for the session's own
	cursor   string // what the names of the cursors begin with, which no user's code can know
}

// againError means that the attempt is worth another one.
type againError struct {
	cause   error
	spelled bool // with the next spelling
	stored  bool // with rows in the encoding of the database
}

func (e *againError) Error() string { return e.cause.Error() }
func (e *againError) Unwrap() error { return e.cause }

func (r *reading) run(ctx context.Context) (*Snapshot, error) {
	if r.since = r.of.config.Log.End(); r.since == (changelog.Standing{}) {
		return nil, &AwayError{cause: errors.New("no change has been read yet")}
	}
	conn, err := r.of.config.Pool.Acquire(ctx)
	if err != nil {
		return nil, &AwayError{err, true}
	}
	defer conn.Release()
	r.conn, r.cursor = conn.Conn(), "walcast_"+rand.Text()
	if err = r.evaluate(ctx); err == nil {
		err = r.fetch(ctx)
	}
	if err == nil {
		_, err = r.exec(ctx, "discard all")
	}
	if err != nil {
		// What user code may have left behind goes with the connection.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = r.conn.Close(closing)
		return nil, r.judge(err)
	}
	return r.snapshot, nil
}

// exec sends statements without parameters, and none of them prepared.
func (r *reading) exec(ctx context.Context, sql string) ([]*pgconn.Result, error) {
	return r.conn.PgConn().Exec(ctx, sql).ReadAll()
}

// beginSQL begins a transaction in which names of the catalog mean the same whatever
// the session has set. It takes no snapshot yet.
const beginSQL = "begin isolation level repeatable read, read only; set local search_path = pg_catalog, pg_temp; set local jit = off; set local statement_timeout = "

// momentSQL takes the snapshot, then asks where the WAL ends.
const momentSQL = `select pg_current_snapshot()::text, clock_timestamp(), pg_is_in_recovery(),
	(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end)::text`

// evaluate has Postgres evaluate the rows in one snapshot.
func (r *reading) evaluate(ctx context.Context) error {
	limit := r.of.config.SnapshotTimeout
	ctx, cancel := context.WithTimeout(ctx, limit+limit/2+time.Second) // for a server that hangs
	defer cancel()
	if err := r.begin(ctx, limit); err != nil {
		return err
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	err := r.batch.request.Subject.Become(ctx, r.conn.PgConn(), max(limit-time.Since(r.batch.began), time.Millisecond), r.path)
	var unfit *policy.RoleError
	if errors.As(err, &unfit) {
		return r.refuse(0, diagnose.NotSettable(r.batch.request.Bindings[0], r.batch.request.Subject, unfit))
	}
	if err != nil {
		return err
	}
	for i := range r.tables {
		if err := r.declare(ctx, i); err != nil {
			return err
		}
	}
	if err := r.compare(ctx); err != nil {
		return err
	}
	if _, err = r.exec(ctx, "commit"); err != nil {
		return &evaluationError{err}
	}
	return nil
}

// evaluationError is an error that Postgres answered with as it evaluated the rows.
type evaluationError struct{ cause error }

func (e *evaluationError) Error() string { return e.cause.Error() }
func (e *evaluationError) Unwrap() error { return e.cause }

// begin takes the snapshot, and finds where in the log its changes begin.
func (r *reading) begin(ctx context.Context, limit time.Duration) error {
	if want := conninfo.Encoding(r.conn.PgConn()); r.conn.PgConn().ParameterStatus("client_encoding") != want {
		if _, err := r.exec(ctx, "set client_encoding = '"+want+"'"); err != nil {
			return err
		}
	}
	if _, err := r.exec(ctx, beginSQL+strconv.FormatInt(limit.Milliseconds(), 10)); err != nil {
		return err
	}
	var text, end string
	var isStandby bool
	s := &Snapshot{}
	if err := r.conn.QueryRow(ctx, momentSQL).Scan(&text, &s.At, &isStandby, &end); err != nil {
		return err
	}
	if isStandby {
		return r.refuse(0, diagnose.OnStandby(r.batch.request.Bindings[0]))
	}
	var err error
	if s.Visible, err = wal.ParseSnapshot(text); err != nil {
		return err
	}
	if s.End, err = wal.ParseLSN(end); err != nil {
		return err
	}
	if s.From, err = r.of.config.Log.Unseen(r.since, s.Visible); err != nil {
		return &againError{cause: err}
	}
	r.snapshot = s
	return nil
}

// look reads what the catalog says of the tables.
func (r *reading) look(ctx context.Context) error {
	names := catalog.New(r.conn, r.of.config.Publications)
	for i, b := range r.batch.request.Bindings {
		found, err := names.Published(ctx, b.Spec.Schema, b.Spec.Table)
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return &AwayError{cause: fmt.Errorf("%s.%s is not published", b.Spec.Schema, b.Spec.Table)}
		}
		t := &table{binding: b, relation: r.of.relations.keep(found[0]), only: r.batch.request.Row}
		if t.key, err = names.Key(ctx, t.relation.OID); err != nil {
			return err
		}
		if err := r.describe(ctx, t); err != nil {
			return err
		}
		t.view, err = r.of.config.Policy.View(ctx, t.relation, r.batch.request.Subject)
		switch {
		case errors.Is(err, policy.ErrUnknownRole):
			return r.refuse(i, diagnose.NotSettable(b, r.batch.request.Subject, err))
		case err != nil:
			return &AwayError{cause: err}
		}
		if refused := diagnose.Unreadable(b, t.relation, t.view, t.key, r.batch.request.Subject.Role); refused != nil {
			return r.refuseTable(i, refused)
		}
		t.show()
		reads, err := r.trace(ctx, names, i, t)
		if err != nil {
			return err
		}
		order, err := r.sort(ctx, t)
		if err != nil {
			return err
		}
		r.tables = append(r.tables, t)
		r.snapshot.Heads, r.snapshot.Views, r.snapshot.Reads = append(r.snapshot.Heads, Head{t.key, order}), append(r.snapshot.Views, t.view), append(r.snapshot.Reads, reads)
	}
	return r.pin(ctx)
}

// pin finds the search_path for row filters of publications, which are SQL that Postgres has
// printed: others than the owners of the tables must not be able to make functions that fit
// better than those that are meant. Without row filters it is the session's own.
func (r *reading) pin(ctx context.Context) (err error) {
	var filtered []uint32
	for _, t := range r.tables {
		if t.rows != "" {
			filtered = append(filtered, t.relation.OID)
		}
	}
	if len(filtered) > 0 {
		r.path, err = r.batch.request.Subject.SafePath(ctx, r.conn, filtered)
	}
	return err
}

// trace finds what a view of a table has to follow. It refuses tables whose changes do not
// tell which row they are of.
func (r *reading) trace(ctx context.Context, names catalog.Catalog, i int, t *table) (reads Reads, err error) {
	if !t.binding.Spec.View {
		return reads, nil
	}
	lost, err := names.LostKey(ctx, t.relation.OID)
	if err != nil {
		return reads, err
	}
	if refused := diagnose.Untraceable(t.binding, t.relation, lost); refused != nil {
		return reads, r.refuseTable(i, refused)
	}
	forms, err := names.Forms(ctx)
	if err != nil {
		return reads, err
	}
	reads.Form = forms[t.relation.OID]
	if !t.view.RowSecurity || r.of.config.Policy.Verdict(t.view, r.batch.request.Subject) != policy.Ask {
		return reads, nil
	}
	whole, others, err := names.Whole(ctx, t.view.Reads.Relations)
	reads.Relations, reads.Hidden = whole, slices.Clone(t.view.Reads.Hidden)
	for _, name := range others {
		reads.Hidden = append(reads.Hidden, "table "+name)
	}
	return reads, err
}

// shapeSQL reads what the rows of a table are read by: the files that they are in, those
// of its partitions for a partitioned table, and the names of its columns. relfilenode changes when a table
// is rewritten or truncated, after which an older snapshot finds nothing in it.
// Publications that publish no rows do not count for the row filter, and one without a
// filter has all rows. What exists from 15 on only is read through jsonb.
const shapeSQL = `with recursive tree (oid) as (
		select $1::oid union all select i.inhrelid from pg_inherits i join tree t on i.inhparent = t.oid
			where (select relkind from pg_class where oid = $1) = 'p'
	), filters as (
		select to_jsonb(t) ->> 'rowfilter' as text from pg_publication_tables t join pg_publication p on p.pubname = t.pubname
		where t.pubname = any ($2) and t.schemaname = $3 and t.tablename = $4 and (p.pubinsert or p.pubupdate)
	)
	select (select relkind::text from pg_class where oid = $1),
		concat((select string_agg(concat(c.oid, '=', c.relfilenode), ' ' order by c.oid) from tree join pg_class c on c.oid = tree.oid where c.relkind = 'r'),
			(select string_agg(' ' || attname, '' order by attnum) from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped)),
		(select array_agg(attnum order by attnum)::text from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped),
		coalesce((select case when bool_and(text is not null) then string_agg('(' || text || ')', ' or ') end from filters), '')`

// describe reads the shape of a table in the snapshot.
func (r *reading) describe(ctx context.Context, t *table) error {
	var kind, numbers *string
	row := r.conn.QueryRow(ctx, shapeSQL, t.relation.OID, r.of.config.Publications, t.relation.Schema, t.relation.Table)
	if err := row.Scan(&kind, &t.shape, &numbers, &t.rows); err != nil {
		return err
	}
	if kind == nil || numbers == nil {
		return &againError{cause: fmt.Errorf("%s.%s was dropped", t.relation.Schema, t.relation.Table)}
	}
	t.kind, t.numbers = *kind, *numbers
	return nil
}

// presentSQL reads the shape as it is now, whatever the transaction's snapshot is: by
// functions that look at the catalog as it is. The cursors have locked the tables, so
// that it stays as it is.
const presentSQL = `select pg_catalog.concat((select pg_catalog.string_agg(pg_catalog.concat(f.oid, '=', pg_catalog.pg_relation_filenode(f.oid)), ' ' order by f.oid)
		from (%s) as f (oid) where pg_catalog.pg_relation_filenode(f.oid) is not null),
	(select pg_catalog.string_agg(pg_catalog.concat(' ', (pg_catalog.pg_identify_object_as_address('pg_catalog.pg_class'::pg_catalog.regclass, %d, n)).object_names[3]), '' order by n)
		from pg_catalog.unnest('%s'::pg_catalog.int4[]) as n))`

// compare begins anew if a table was altered between the snapshot and the cursor that
// has locked it.
func (r *reading) compare(ctx context.Context) error {
	for _, t := range r.tables {
		files := fmt.Sprintf("select '%d'::pg_catalog.oid", t.relation.OID)
		if t.kind == "p" {
			files = fmt.Sprintf("select p.relid::pg_catalog.oid from pg_catalog.pg_partition_tree('%d'::pg_catalog.regclass) as p where p.isleaf", t.relation.OID)
		}
		found, err := r.exec(ctx, fmt.Sprintf(presentSQL, files, t.relation.OID, t.numbers))
		if err != nil {
			return err
		}
		if len(found) != 1 || len(found[0].Rows) != 1 || string(found[0].Rows[0][0]) != t.shape {
			return &againError{cause: fmt.Errorf("%s.%s was altered meanwhile", t.relation.Schema, t.relation.Table)}
		}
	}
	return nil
}

// declare makes the cursor of a table's rows.
func (r *reading) declare(ctx context.Context, i int) error {
	t := r.tables[i]
	query, err := t.query(r.of.config.SnapshotRows, r.spelled)
	if err != nil {
		return &againError{cause: err} // a column that was there at join
	}
	if _, err = r.exec(ctx, fmt.Sprintf("declare %s no scroll cursor with hold for %s", r.name(i), query)); err != nil {
		return &declarationError{i, err}
	}
	return nil
}

func (r *reading) name(i int) string { return quoteName(r.cursor + strconv.Itoa(i)) }

// declarationError is an error that Postgres answered with when it read the query of a
// binding.
type declarationError struct {
	binding int
	cause   error
}

func (e *declarationError) Error() string { return e.cause.Error() }
func (e *declarationError) Unwrap() error { return e.cause }
