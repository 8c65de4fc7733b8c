package explain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/policy"
	"walcast/replication/wal"
)

// presentLimit is how long Postgres may take to find a row.
const presentLimit = 5 * time.Second

// presentSQL has a transaction print rows as the WAL has them, and refuse what policies
// would filter: these are evaluated as the subject, and never as somebody with more rights.
const presentSQL = `begin read only; set local search_path = pg_catalog, pg_temp; set local standard_conforming_strings = on; set local datestyle = 'ISO, YMD';
	set local intervalstyle = 'postgres'; set local timezone = 'UTC'; set local extra_float_digits = 3; set local bytea_output = 'hex'; set local lc_monetary = 'C';
	set local statement_timeout = '5s'; set local lock_timeout = '5s'; set local row_security = off`

// errBarred means that a role may not read a table past its row-level security.
var errBarred = errors.New("permission denied")

// present is the row that a table has.
type present struct {
	pool     *pgxpool.Pool
	reader   string // see Config
	subject  *policy.Subject
	relation *wal.Relation
	table    string // its name
	key      fields
}

// read reads the row as somebody who may read it past row-level security, else as the
// subject.
func (p *present) read(ctx context.Context) (wal.Row, error) {
	query, args, err := p.byKey()
	if err != nil {
		return nil, err
	}
	readers, err := p.readers(ctx)
	if err != nil {
		return nil, err
	}
	for _, role := range readers {
		rows, err := p.fetch(ctx, query, args, func(conn *pgconn.PgConn) error {
			if role == "" {
				return nil
			}
			err := conn.ExecParams(ctx, "select pg_catalog.set_config('role', $1, true)", [][]byte{[]byte(role)}, nil, nil, nil).Read().Err
			var refused *pgconn.PgError
			if errors.As(err, &refused) { // there is no such role, or it may not be had
				return errBarred
			}
			return err
		})
		if errors.Is(err, errBarred) {
			continue
		}
		return p.only(rows, err)
	}
	rows, err := p.fetch(ctx, query, args, func(conn *pgconn.PgConn) error {
		return p.subject.Become(ctx, conn, presentLimit, "")
	})
	if errors.Is(err, errBarred) || err == nil && len(rows) == 0 {
		return nil, fmt.Errorf("read the row of %s: %s may read the table past its policies, and the subject sees no row with this key: give the row itself", p.table, p.nobody())
	}
	return p.only(rows, err)
}

// nobody is who does not.
func (p *present) nobody() string {
	if p.reader != "" {
		return "role " + p.reader + " is not one that"
	}
	return "neither walcast's role nor one that it may become"
}

// only is the one row that there is to be.
func (p *present) only(rows []wal.Row, err error) (wal.Row, error) {
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the row of %s: %w", p.table, err)
	case len(rows) == 0:
		return nil, wrong("key: %s has no such row", p.table)
	case len(rows) > 1:
		return nil, wrong("key: %s has several such rows", p.table)
	}
	return rows[0], nil
}

// byKey writes the statement that finds the row. The operators are Postgres' own, and the
// literals are read as what these compare: no code of users runs.
func (p *present) byKey() (query string, args [][]byte, err error) {
	rel := p.relation
	columns := make([]string, len(rel.Columns))
	for i, c := range rel.Columns {
		columns[i] = "t." + pgx.Identifier{c.Name}.Sanitize()
	}
	var conditions []string
	for _, name := range slices.Sorted(maps.Keys(p.key)) {
		i := rel.Column(name)
		if i < 0 {
			return "", nil, wrong("key: %s publishes no column %q", p.table, name)
		}
		base := rel.Columns[i].Type.Underlying()
		if base.Kind != wal.KindEnum && (base.Kind != wal.KindBase || base.Schema != "pg_catalog") {
			return "", nil, wrong("key: column %q is of a type that is not built in: give the row itself", name)
		}
		v, err := valueOf(rel.Columns[i], p.key[name])
		switch {
		case err != nil:
			return "", nil, err
		case v.Kind != wal.Text:
			return "", nil, wrong("key: column %q: want a value that is not null", name)
		}
		args = append(args, []byte(v.Text))
		conditions = append(conditions, fmt.Sprintf("%s operator(pg_catalog.=) $%d", columns[i], len(args)))
	}
	return fmt.Sprintf("select %s from %s as t where %s limit 2", strings.Join(columns, ", "), pgx.Identifier{rel.Schema, rel.Table}.Sanitize(), strings.Join(conditions, " and ")), args, nil
}

// readers are roles that no policy may apply to: the pool's own, which is "", and those that
// it may become.
func (p *present) readers(ctx context.Context) ([]string, error) {
	if p.reader != "" {
		return []string{p.reader}, nil
	}
	const readersSQL = `
		select r.rolname::text from pg_roles r
		where (r.rolsuper or r.rolbypassrls or r.oid = (select relowner from pg_class where oid = $1)) and r.rolname <> session_user
			and pg_has_role(session_user, r.oid, case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)
		order by r.rolsuper, r.rolname limit 5`
	rows, err := p.pool.Query(ctx, readersSQL, p.relation.OID)
	if err == nil {
		var roles []string
		if roles, err = pgx.CollectRows(rows, pgx.RowTo[string]); err == nil {
			return append([]string{""}, roles...), nil
		}
	}
	return nil, fmt.Errorf("look for roles that may read the row: %w", err)
}

// fetch runs the statement in a transaction of its own. become has the rest of it run as
// somebody else. A lack of rights is errBarred.
func (p *present) fetch(ctx context.Context, query string, args [][]byte, become func(*pgconn.PgConn) error) (rows []wal.Row, err error) {
	pooled, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	conn := pooled.Conn().PgConn()
	defer func() { // what code of users may have left goes with the connection
		_ = pooled.Hijack().Close(context.WithoutCancel(ctx))
	}()
	if _, err = conn.Exec(ctx, presentSQL).ReadAll(); err == nil {
		err = become(conn)
	}
	var result *pgconn.Result
	if err == nil {
		result = conn.ExecParams(ctx, query, args, nil, nil, nil).Read()
		err = result.Err
	}
	var raised *pgconn.PgError
	switch {
	case errors.As(err, &raised) && raised.Code == "42501":
		return nil, errBarred
	case errors.As(err, &raised) && (strings.HasPrefix(raised.Code, "22") || raised.Code == "42883"):
		return nil, wrong("key: %s (SQLSTATE %s)", raised.Message, raised.Code)
	case err != nil:
		return nil, err
	}
	for _, values := range result.Rows {
		row := make(wal.Row, len(values))
		for i, v := range values {
			if row[i] = (wal.Value{Kind: wal.Null}); v != nil {
				row[i] = wal.Value{Kind: wal.Text, Text: string(v)}
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}
