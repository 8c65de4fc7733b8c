package policy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/devdb"
	"walcast/policy/sql"
	"walcast/replication/catalog"
	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

// lab is a database with Supabase's roles and a policy that asks it.
type lab struct {
	*devdb.DB
	t       testing.TB
	policy  *Policy
	metrics *prometheus.Registry
	catalog catalog.Catalog
	decoder *pgoutput.Decoder // see decoding
}

func newLab(t testing.TB, statements ...string) *lab {
	t.Helper()
	return labOn(t, devdb.Open(t), statements...)
}

func labOn(t testing.TB, db *devdb.DB, statements ...string) *lab {
	t.Helper()
	devdb.SupabaseRoles(db)
	db.Exec("create publication lab for all tables")
	for _, s := range statements {
		db.Exec(s)
	}
	l := &lab{DB: db, t: t, catalog: catalog.New(db.Pool, []string{"lab"})}
	l.over(db.Pool)
	return l
}

// over has the lab's policy connect over another pool, perhaps as another user.
func (l *lab) over(pool *pgxpool.Pool) {
	l.metrics = prometheus.NewRegistry()
	l.policy = New(DefaultConfig(), pool, slog.New(slog.DiscardHandler), l.metrics)
}

// logs has the policy log into a buffer from now on.
func (l *lab) logs() *bytes.Buffer {
	var b bytes.Buffer
	l.policy.log = slog.New(slog.NewTextHandler(&b, nil))
	return &b
}

// role makes a role of this test only; it goes with the test.
func (l *lab) role(suffix, attributes string) string {
	l.t.Helper()
	name := l.Name + "_" + suffix
	l.Exec(fmt.Sprintf("create role %s %s", name, attributes))
	l.t.Cleanup(func() {
		for _, s := range []string{"drop owned by %s cascade", "drop role %s"} {
			if _, err := l.Pool.Exec(context.Background(), fmt.Sprintf(s, name)); err != nil {
				l.t.Errorf("%s %s: %v", s, name, err)
			}
		}
	})
	return name
}

// relation describes a table of schema public, or a qualified one, anew each
// time, as a Relation message does.
func (l *lab) relation(table string) *wal.Relation {
	l.t.Helper()
	schema := "public"
	if s, name, ok := strings.Cut(table, "."); ok {
		schema, table = s, name
	}
	rels, err := l.catalog.Published(context.Background(), schema, table)
	if err != nil || len(rels) != 1 {
		l.t.Fatalf("relation %s.%s: %v, %d found", schema, table, err, len(rels))
	}
	return rels[0]
}

// rows reads the table as the WAL has it: in text form.
func (l *lab) rows(rel *wal.Relation, more string) []wal.Row {
	l.t.Helper()
	names := make([]string, len(rel.Columns))
	for i, c := range rel.Columns {
		names[i] = sql.QuoteName(c.Name)
	}
	query := fmt.Sprintf("select %s from %s %s", strings.Join(names, ", "), sql.Qualified(rel.Schema, rel.Table), more)
	found, err := l.Pool.Query(context.Background(), query, pgx.QueryExecModeExec, pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		l.t.Fatalf("%s: %v", query, err)
	}
	defer found.Close()
	var rows []wal.Row
	for found.Next() {
		row := make(wal.Row, len(rel.Columns))
		for i, raw := range found.RawValues() {
			row[i] = wal.Value{Kind: wal.Null}
			if raw != nil {
				row[i] = wal.Value{Kind: wal.Text, Text: string(raw)}
			}
		}
		rows = append(rows, row)
	}
	if err := found.Err(); err != nil {
		l.t.Fatalf("%s: %v", query, err)
	}
	return rows
}

// inserts are changes that inserted the rows.
func inserts(rel *wal.Relation, rows []wal.Row) []*wal.Change {
	changes := make([]*wal.Change, len(rows))
	for i, row := range rows {
		changes[i] = &wal.Change{Operation: wal.Insert, Relation: rel, New: row}
	}
	return changes
}

func (l *lab) subject(role, claims string) *Subject {
	p := l.policy
	s := p.Subject(role, claims)
	l.t.Cleanup(func() { p.Release(s) })
	return s
}

func (l *lab) view(rel *wal.Relation, s *Subject) *View {
	l.t.Helper()
	v, err := l.policy.View(context.Background(), rel, s)
	if err != nil {
		l.t.Fatalf("View(%s, %s): %v", rel.Table, s.Role, err)
	}
	return v
}

func (l *lab) verdict(rel *wal.Relation, s *Subject) Verdict {
	l.t.Helper()
	return l.policy.Verdict(l.view(rel, s), s)
}

// visible asks about rows, and wants nothing to raise.
func (l *lab) visible(s *Subject, changes []*wal.Change) []bool {
	l.t.Helper()
	seen, errs, err := l.policy.Visible(context.Background(), s, changes)
	if err != nil || len(errs) > 0 {
		l.t.Fatalf("Visible: %v, %v", errs, err)
	}
	return seen
}

// ask makes Postgres judge a relation for a role, whatever could be compiled.
func (l *lab) ask(rel *wal.Relation, s *Subject) {
	l.t.Helper()
	l.view(rel, s)
	l.policy.tables.of(rel, s.Role).current().compilable = false
}

// columnsOf are the names of the columns that a view shows.
func columnsOf(v *View) string {
	var names []string
	for i, shown := range v.Columns {
		if shown {
			names = append(names, v.Relation.Columns[i].Name)
		}
	}
	return strings.Join(names, ",")
}

// loginPool connects as another user.
func (l *lab) loginPool(user string) *pgxpool.Pool {
	l.t.Helper()
	config := l.Pool.Config()
	config.ConnConfig.User = user
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(pool.Close)
	return pool
}
