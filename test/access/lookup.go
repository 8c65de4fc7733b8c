package access

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// reading is what the policies of a table read in an era.
type reading struct {
	columns []string // of the row
	names   bool     // of the schema app: functions, types, tables
}

const readingSQL = `select p.polrelid, coalesce(string_agg(distinct a.attname, ' '), ''), bool_or(pg_get_expr(p.polqual, p.polrelid) like '%app.%')
from pg_policy p
left join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid and d.refclassid = 'pg_class'::regclass and d.refobjid = p.polrelid
left join pg_attribute a on a.attrelid = p.polrelid and a.attnum = d.refobjsubid and a.attnum > 0
where p.polcmd in ('r', '*') group by 1`

// readPolicies notes what policies read in an era.
func (s *shadow) readPolicies(ctx context.Context, tx pgx.Tx, k int, t *testimony) error {
	rows, err := tx.Query(ctx, readingSQL)
	if err != nil {
		return err
	}
	var table uint32
	var columns string
	var names bool
	_, err = pgx.ForEachRow(rows, []any{&table, &columns, &names}, func() error {
		if i := slices.Index(s.oids, table); i >= 0 {
			t.readings[[2]int{k, i}] = reading{strings.Fields(columns), names}
		}
		return nil
	})
	return err
}

func (t *testimony) reads(era, table int) reading { return t.readings[[2]int{era, table}] }

// lookedUp reports whether the row may have been looked up by its key, as the docs
// say: in some era row-level security was on, and the policies read what the WAL does
// not have of the row, a generated column or a large value that an UPDATE left as it
// was, or have names in a schema that nobody may use.
func (s suspicion) lookedUp(h history, said answers) bool {
	return eras(s.Early, s.Upto, func(k int) bool {
		if !slices.ContainsFunc(s.subjects, func(p int) bool { return said.guarded(k, p, s.row.table) }) {
			return false
		}
		read := said.reads(k, s.row.table)
		lacks := func(column string) bool { return column == "twice" || slices.Contains(s.row.lacks, column) }
		return slices.ContainsFunc(read.columns, lacks) || read.names && h[k].closed
	})
}

// keyed reports whether the row's table has a primary key to look rows up by.
func (s suspicion) keyed() bool {
	return strings.HasPrefix(s.client.world.tables[s.row.table].identity, "key")
}
