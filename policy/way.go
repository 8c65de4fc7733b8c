package policy

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// way is how a comparison is written and parsed. To name a type needs USAGE on
// its schema, which a client that compares a column of it does not need: its
// literal is read as the column's type, or the one below a domain, by Postgres.
type way struct {
	form   form
	parser string // the role that parses it, "" is our own
	anew   bool   // forget how it was parsed before
}

// statement is its name as a prepared statement.
func (w way) statement(path string) string { return statementUnder(w.parser, path, w.form.sql()) }

// barred reports whether Postgres has refused to let somebody look into a schema
// or use a function, outside of any code of users.
func barred(err error) bool {
	raised, ok := postgresError(err)
	return ok && raised.Code == codeInsufficientPrivilege && ownContext(raised)
}

// runElsewise asks in other ways for what was barred in the first: parsed by
// ourselves once more, as Postgres may have forgotten how and parsed it as the
// subject; parsed as the subject, who may look where our user may not; and with
// the type below a domain, as Postgres has it in the client's own query, where
// nothing checks the literal. Without any of them the first answer counts.
func (c *comparing) runElsewise(ctx context.Context, conn *pgx.Conn, a actor, indexes []int, acting bool, first error) (bool, error) {
	var ways []way
	if acting {
		ways = append(ways, way{form: c.form, anew: true})
	}
	if c.subject != nil {
		ways = append(ways, way{form: c.form, parser: a.role})
	}
	below, err := c.form.below(ctx, conn)
	if err != nil {
		return acting, err
	}
	if below.typ != "" {
		ways = append(ways, way{form: below}, way{form: below, parser: a.role})
	}
	for _, w := range ways {
		acted, err := c.runOne(ctx, conn, a, w, indexes)
		if !barred(err) {
			return acted, err
		}
	}
	return acting, first
}

// belowSQL finds the type that a domain is of, through domains over domains.
const belowSQL = `with recursive below (oid, depth) as (
		select t.typbasetype, 1 from pg_catalog.pg_type as t join pg_catalog.pg_namespace as n on n.oid operator(pg_catalog.=) t.typnamespace
		where n.nspname operator(pg_catalog.=) $1 and t.typname operator(pg_catalog.=) $2 and t.typtype operator(pg_catalog.=) 'd'
		union all select t.typbasetype, depth operator(pg_catalog.+) 1 from below join pg_catalog.pg_type as t on t.oid operator(pg_catalog.=) below.oid
		where t.typtype operator(pg_catalog.=) 'd')
	select n.nspname::pg_catalog.text, t.typname::pg_catalog.text from below join pg_catalog.pg_type as t on t.oid operator(pg_catalog.=) below.oid
	join pg_catalog.pg_namespace as n on n.oid operator(pg_catalog.=) t.typnamespace order by depth desc limit 1`

// below is the form with the type below a domain; without a type if it is none.
func (f form) below(ctx context.Context, conn *pgx.Conn) (form, error) {
	rows, err := conn.Query(ctx, belowSQL, pgx.QueryExecModeExec, f.schema, f.typ)
	if err != nil {
		return form{}, fmt.Errorf("look below a domain: %w", err)
	}
	base := f
	base.schema, base.typ = "", ""
	_, err = pgx.ForEachRow(rows, []any{&base.schema, &base.typ}, func() error { return nil })
	if err != nil {
		return form{}, fmt.Errorf("look below a domain: %w", err)
	}
	return base, nil
}
