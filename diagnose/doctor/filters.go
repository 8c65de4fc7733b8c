package doctor

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/protocol"
)

// rowFilter is a row filter of a publication for a table.
type rowFilter struct {
	publication, schema, table, text string
	raises                           string // the SQLSTATE that it raises for a row that is there; "" if for none that was looked at
}

const (
	// filteredRows is of how many rows of a table a row filter is computed. Those of a
	// large one that are not looked at may be such as it raises for.
	filteredRows = 1000
	// filtersMost is of how many tables.
	filtersMost = 50
)

// filterSettings make the text of a row filter mean what its owner wrote: it has nothing but
// what is built in. No policy runs: a table that is under some for this role is left out.
const filterSettings = `set local search_path = pg_catalog; set local row_security = off`

const filtersSQL = `
	select t.pubname::text, t.nspname::text, t.relname::text, t.rowfilter from ` + publishedFrom + `
	where t.rowfilter is not null and has_table_privilege(t.oid, 'SELECT') order by 1, 2, 3 limit $2`

// filters looks whether row filters of publications raise for rows that are there. A
// stream ends at a change of such a row.
func (l *looker) filters(f *facts) {
	l.inside(func() {
		var filter rowFilter
		l.rows("row filters of publications", filtersSQL, []any{f.config.Publications, filtersMost},
			[]any{&filter.publication, &filter.schema, &filter.table, &filter.text}, func() { f.filters = append(f.filters, filter) })
	})
	for i := range f.filters {
		l.inside(func() { f.filters[i].raises = l.raises(f.filters[i]) })
	}
}

// inside runs do in a transaction of its own that changes nothing, with filterSettings.
func (l *looker) inside(do func()) {
	if l.err != nil {
		return
	}
	tx, err := l.conn.BeginTx(l.ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err == nil {
		_, err = tx.Exec(l.ctx, filterSettings)
	}
	if err == nil {
		do()
		err = tx.Rollback(l.ctx)
	}
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("look at row filters of publications: %w", err)
	}
}

// raises is the SQLSTATE of the data exception that a row filter raises, "" if none, or if
// that cannot be found out.
func (l *looker) raises(f rowFilter) string {
	sql := fmt.Sprintf(`set local statement_timeout = '1s'; select count(holds) from (select (%s) as holds from %s limit %d) as rows`, f.text, quote(f.schema, f.table), filteredRows)
	_, err := l.conn.Exec(l.ctx, sql)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "22") {
		return pg.Code
	}
	return ""
}

// filtered looks at the row filters of publications.
func filtered(f *facts) (findings []Finding) {
	for _, r := range f.filters {
		if r.raises == "" {
			continue
		}
		findings = append(findings, problem(protocol.CodePublicationFilter, Table, r.schema+"."+r.table,
			"the row filter of publication %s, WHERE %s, raises SQLSTATE %s for a row that it has: a change of such a row ends the stream", quote(r.publication), r.text, r.raises).
			advised("make it hold or not hold for every row: BEGIN; ALTER PUBLICATION %[1]s DROP TABLE %[2]s; ALTER PUBLICATION %[1]s ADD TABLE %[2]s WHERE (…); COMMIT;", quote(r.publication), quote(r.schema, r.table)))
	}
	return findings
}
