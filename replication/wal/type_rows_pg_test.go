package wal

import (
	"context"
	"fmt"
	"go/format"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/internal/golden"
)

// builtinQuery lists what a column can be of: no pseudo types, no row types of
// catalogs and no arrays of those. int2vector and oidvector are arrays to
// Postgres but print their elements with blanks and without braces.
const builtinQuery = `
	select t.oid, t.typname,
	       case when t.typsubscript = 'array_subscript_handler'::regproc then 'A' else t.typtype::text end,
	       case when t.oid in (18, 194, 3361, 3402, 4600, 4601, 5017) then 'Z' else t.typcategory::text end, -- of internal use; strings to 14
	       case when t.typsubscript = 'array_subscript_handler'::regproc then t.typelem
	            when t.typtype = 'r' then (select rngsubtype from pg_range where rngtypid = t.oid)
	            when t.typtype = 'm' then (select rngtypid from pg_range where rngmultitypid = t.oid)
	            else 0 end,
	       case when t.typname in ('int2vector', 'oidvector') then ' ' else t.typdelim::text end
	from pg_type t left join pg_type e on e.oid = t.typelem
	where t.oid < 10000 and t.typtype in ('b', 'r', 'm') and coalesce(e.typtype in ('b', 'r', 'm'), true)
	order by t.oid`

// TestBuiltinRowsAreThoseOfTheServer also writes them: go test -update.
func TestBuiltinRowsAreThoseOfTheServer(t *testing.T) {
	db := devdb.Open(t)
	rows, err := db.Pool.Query(context.Background(), builtinQuery)
	if err != nil {
		t.Fatalf("query pg_type: %v", err)
	}
	var b strings.Builder
	b.WriteString("package wal\n\n// builtinRows is pg_type of a Postgres server; its test writes it.\n" +
		"func builtinRows() []builtinRow {\n\treturn []builtinRow{\n")
	var oid, element uint32
	var name, kind, category, delimiter string
	_, err = pgx.ForEachRow(rows, []any{&oid, &name, &kind, &category, &element, &delimiter}, func() error {
		fmt.Fprintf(&b, "\t\t{%d, %q, %q, %q, %d, %q},\n", oid, name, kind[0], category[0], element, delimiter[0])
		return nil
	})
	if err != nil {
		t.Fatalf("read pg_type: %v", err)
	}
	b.WriteString("\t}\n}\n")
	source, err := format.Source([]byte(b.String()))
	if err != nil {
		t.Fatalf("format rows: %v", err)
	}
	golden.Compare(t, "type_rows.go", source)
}
