package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/jackc/pgx/v5"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/policy"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// spellings are how filters are written, the first that Postgres takes. See
// filters.Spelling.
var spellings = []filters.Spelling{{}, {Builtin: true}, {Untyped: true}, {Untyped: true, Builtin: true}}

// table is what is known of a binding's table, as the snapshot sees it.
type table struct {
	binding  *diagnose.Binding
	relation *wal.Relation
	view     *policy.View   // what the subject may see of it
	key      []string       // the columns that tell rows apart
	shown    []bool         // by column: whether the rows have it
	kind     string         // pg_class.relkind
	rows     string         // the row filter of the publications, "" for all rows
	shape    string         // see shapeSQL
	numbers  string         // of the columns, as an array
	only     filters.Filter // beside the binding's: the one row that is asked for
}

// query is the query of the rows, of one more than there may be if there is no limit.
func (t *table) query(most int, spelled filters.Spelling) (string, error) {
	where, err := filters.SQL(t.relation, slices.Concat(t.binding.Filter, t.only), spelled)
	if err != nil {
		return "", err
	}
	order, err := t.binding.Snapshot().Order.SQL(t.relation)
	if err != nil {
		return "", err
	}
	if t.rows != "" {
		where += " and (" + t.rows + ")"
	}
	if order != "" {
		order = " order by " + order
	}
	limit := t.binding.Snapshot().Limit
	if limit == diagnose.NoLimit {
		limit = most + 1
	}
	only := "only "
	if t.kind == "p" { // its rows are in its partitions
		only = ""
	}
	return fmt.Sprintf("select %s from %s%s as t where %s%s limit %d", t.columns(), only, quoteName(t.relation.Schema, t.relation.Table), where, order, limit), nil
}

// show finds the columns that the rows have: the subject may read them, and the binding
// selects them or they are of the key.
func (t *table) show() {
	selected := t.binding.Spec.Select
	t.shown = make([]bool, len(t.relation.Columns))
	for i, c := range t.relation.Columns {
		t.shown[i] = t.view.Columns[i] && (selected == nil || slices.Contains(selected, c.Name) || slices.Contains(t.key, c.Name))
	}
}

// columns are those that the rows have. The query has the others as NULL.
func (t *table) columns() string {
	names := make([]string, len(t.relation.Columns))
	for i, c := range t.relation.Columns {
		if names[i] = "null"; t.shown[i] {
			names[i] = "t." + quoteName(c.Name)
		}
	}
	return strings.Join(names, ", ")
}

// row is a row that came, without the columns that rows do not have. It is in the memory of
// another one, and its texts are in that of the values.
func (t *table) row(row wal.Row, values [][]byte) wal.Row {
	row = append(row[:0], make(wal.Row, len(values))...)
	for i, v := range values {
		switch {
		case !t.shown[i]:
		case v == nil:
			row[i].Kind = wal.Null
		default:
			row[i] = wal.Value{Kind: wal.Text, Text: unsafe.String(unsafe.SliceData(v), len(v))}
		}
	}
	return row
}

// stored is row for values in the encoding of the database.
func (t *table) stored(ctx context.Context, row wal.Row, values [][]byte, characters *catalog.Characters) (wal.Row, error) {
	row = t.row(row, values)
	for i := range row {
		text, err := characters.Text(ctx, row[i].Text)
		if err != nil {
			return row, err
		}
		row[i].Text = text
	}
	return row, nil
}

func quoteName(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// relations remembers the newest state of tables: as long as a table has not changed
// its Relation stays the same pointer, by which policy caches.
type relations struct {
	mu    sync.Mutex
	known map[uint32]*wal.Relation
}

// relationsMost bounds how many are remembered.
const relationsMost = 1000

// keep returns the relation that is known if the new one says the same.
func (r *relations) keep(rel *wal.Relation) *wal.Relation {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.known[rel.OID]; rel.SameShape(old) {
		return old
	}
	if len(r.known) >= relationsMost {
		clear(r.known)
	}
	r.known[rel.OID] = wal.NewRelation(*rel)
	return r.known[rel.OID]
}
