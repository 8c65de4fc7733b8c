package livedrill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

// shadow is a Postgres in which the history is done again, up to where the judge is.
type shadow struct {
	server *devdb.Server
	db     *pgx.Conn
	rules  rules // that apply; those of each table are changed when they are needed
}

func newShadow(ctx context.Context) (_ *shadow, err error) {
	s := &shadow{rules: rules{}}
	if s.server, err = devdb.Start(ctx, devdb.Options{Settings: map[string]string{"autovacuum": "off", "jit": "off", "fsync": "off"}}); err != nil {
		return nil, err
	}
	if err = s.build(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (s *shadow) build(ctx context.Context) (err error) {
	if s.db, err = pgx.Connect(ctx, s.server.DSN("postgres")); err != nil {
		return err
	}
	return build(ctx, s.db, true)
}

// build makes the tables.
func build(ctx context.Context, db *pgx.Conn, isShadow bool) error {
	if err := devdb.CreateSupabaseRoles(ctx, db); err != nil {
		return err
	}
	return run(ctx, db, create(isShadow)...)
}

// run runs statements, all in one transaction where they do not say otherwise.
func run(ctx context.Context, db *pgx.Conn, statements ...string) error {
	for _, statement := range statements {
		if _, err := db.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func (s *shadow) close(ctx context.Context) (err error) {
	if s.db != nil {
		err = s.db.Close(ctx)
	}
	return errors.Join(err, s.server.Stop())
}

// redo does a transaction again.
func (s *shadow) redo(ctx context.Context, t *transaction) error {
	if len(t.again) == 0 {
		return nil
	}
	return run(ctx, s.db, strings.Join(t.again, "; ")) // of themselves these are one transaction
}

// opinion is what Postgres says of a table.
type opinion struct {
	rows    map[string]string // that the subject selects, by key
	present map[string]present
}

// present is a row that is there.
type present struct {
	record  map[string]json.RawMessage // of all columns
	matches bool                       // the filter
	xid     uint32                     // of the transaction that wrote it
}

// ask asks what a look should have found under rules, after more transactions than have been
// done again.
func (s *shadow) ask(ctx context.Context, l *look, under tableRules, more []*transaction) (o opinion, err error) {
	if err := run(ctx, s.db, under.change(l.of.Table, s.rules[l.of.Table], true)...); err != nil {
		return o, err
	}
	s.rules = s.rules.with(l.of.Table, under)
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	for _, t := range more {
		if err := s.redo(ctx, t); err != nil {
			return o, err
		}
	}
	if err := s.find(ctx, l, &o); err != nil {
		return o, err
	}
	shown := under.shown(l.by.role, l.of)
	if o.rows = map[string]string{}; shown == nil {
		return o, nil
	}
	if _, err := tx.Exec(ctx, "select set_config('request.jwt.claims', $1, true)", l.by.text()); err != nil {
		return o, err
	}
	if err := run(ctx, s.db, "set local role "+l.by.role); err != nil {
		return o, err
	}
	err = s.each(ctx, fmt.Sprintf("select %s, null::boolean, null::bigint from %s where %s", object(shown), l.of.Table, l.of.where), func(p present) {
		o.rows[keyOf(tableOf(l.of.Table).key, p.record)] = canonical(p.record)
	})
	return o, err
}

// find reads all rows that there are.
func (s *shadow) find(ctx context.Context, l *look, o *opinion) error {
	o.present = map[string]present{}
	all := append(columns[:len(columns):len(columns)], "note", "extra")
	return s.each(ctx, fmt.Sprintf("select %s, (%s) is true, walcast_xid from %s", object(all), l.of.where, l.of.Table), func(p present) {
		o.present[keyOf(tableOf(l.of.Table).key, p.record)] = p
	})
}

func (s *shadow) each(ctx context.Context, sql string, f func(present)) error {
	rows, err := s.db.Query(ctx, sql)
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	var text string
	var matches *bool
	var xid *int64
	_, err = pgx.ForEachRow(rows, []any{&text, &matches, &xid}, func() error {
		record, err := decode([]byte(text))
		if err != nil {
			return err
		}
		p := present{record: record, matches: matches != nil && *matches}
		if xid != nil {
			p.xid = uint32(*xid)
		}
		f(p)
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// object is a JSON object of columns.
func object(names []string) string {
	var parts []string
	for _, name := range names {
		parts = append(parts, "'"+name+"', "+name)
	}
	return "jsonb_build_object(" + strings.Join(parts, ", ") + ")::text"
}
