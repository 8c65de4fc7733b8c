package policy

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// way is how a comparison is written and who parses it. The name of a type needs USAGE
// on its schema. A client that compares a column of that type in SQL does not need
// it, as there Postgres finds the literal's type by the column, so other ways are
// tried.
type way struct {
	form   form
	parser string // the role that parses it; "" is our own user
	anew   bool   // forget how it was parsed before
}

// statement returns the name of the prepared statement.
func (w way) statement(path string) string { return statementUnder(w.parser, path, w.form.sql()) }

// barred reports whether the error is a lack of rights to a schema or a function that
// did not arise in code of users.
func barred(err error) bool {
	raised, ok := postgresError(err)
	return ok && raised.Code == codeInsufficientPrivilege && ownContext(raised)
}

// runElsewise asks in other ways if the first way was barred. The statement is parsed
// as our own user again, as Postgres may have dropped the plan and parsed it as the
// subject; as the subject, which may have USAGE where our user has not; and with the
// type below a domain, as Postgres reads the literal in a client's own query. If all
// ways are barred the first error counts.
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

// belowSQL finds the type below a domain, through domains over domains.
const belowSQL = `with recursive below (oid, depth) as (
		select t.typbasetype, 1 from pg_catalog.pg_type as t join pg_catalog.pg_namespace as n on n.oid operator(pg_catalog.=) t.typnamespace
		where n.nspname operator(pg_catalog.=) $1 and t.typname operator(pg_catalog.=) $2 and t.typtype operator(pg_catalog.=) 'd'
		union all select t.typbasetype, depth operator(pg_catalog.+) 1 from below join pg_catalog.pg_type as t on t.oid operator(pg_catalog.=) below.oid
		where t.typtype operator(pg_catalog.=) 'd')
	select n.nspname::pg_catalog.text, t.typname::pg_catalog.text from below join pg_catalog.pg_type as t on t.oid operator(pg_catalog.=) below.oid
	join pg_catalog.pg_namespace as n on n.oid operator(pg_catalog.=) t.typnamespace order by depth desc limit 1`

// below returns the form with the type below its domain. The type is "" if the form's
// type is no domain.
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
