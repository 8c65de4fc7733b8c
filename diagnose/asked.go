package diagnose

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// AskedPolicy is a policy that Postgres is asked about, and why: what it does, such as
// "reads members".
type AskedPolicy struct{ Name, Why string }

// String says so of the policy.
func (a AskedPolicy) String() string { return "policy " + quote(a.Name) + " " + a.Why }

// askedSQL lists what policies of a table depend on that Postgres has to look at: other
// tables, and functions that are more than an expression in SQL, or take arguments.
const askedSQL = `
	select p.polname::text,
		array(select distinct d.refobjid::regclass::text from pg_depend d where d.classid = 'pg_policy'::regclass and d.objid = p.oid
			and d.refclassid = 'pg_class'::regclass and d.refobjid <> p.polrelid order by 1),
		array(select distinct f.oid::regprocedure::text from pg_depend d join pg_proc f on f.oid = d.refobjid join pg_language l on l.oid = f.prolang
			where d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_proc'::regclass
				and (f.pronargs > 0 or l.lanname <> 'sql' or f.provolatile = 'v' or f.prosrc ~* '\mfrom\M') order by 1)
	from pg_policy p where p.polrelid = $1 and p.polname = any ($2) order by 1`

// querier is a connection, or a pool of them.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Asked says why Postgres is asked about policies of a relation, by their names.
func Asked(ctx context.Context, db querier, relation uint32, policies []string) (all []AskedPolicy, err error) {
	rows, err := db.Query(ctx, askedSQL, relation, policies)
	if err != nil {
		return nil, fmt.Errorf("look what policies depend on: %w", err)
	}
	var name string
	var tables, functions []string
	_, err = pgx.ForEachRow(rows, []any{&name, &tables, &functions}, func() error {
		var causes []string
		if len(tables) > 0 {
			causes = append(causes, "reads "+strings.Join(tables, ", "))
		}
		if len(functions) > 0 {
			causes = append(causes, "calls "+strings.Join(functions, ", "))
		}
		if len(causes) == 0 {
			causes = []string{"compares in a way that only Postgres can decide"}
		}
		all = append(all, AskedPolicy{name, strings.Join(causes, " and ")})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look what policies depend on: %w", err)
	}
	return all, nil
}
