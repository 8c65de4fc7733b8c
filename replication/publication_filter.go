package replication

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// filterVersion is the oldest Postgres whose publications have row filters.
const filterVersion = 150000

// decodingError is what ended a stream that had begun: Postgres raised it while it
// decoded a change, and not in the answer to a statement.
type decodingError struct{ *pgconn.PgError }

func (e *decodingError) Unwrap() error { return e.PgError }

// dataException is one that ended a stream.
type dataException struct {
	code string  // the SQLSTATE
	at   wal.LSN // of the change that was decoded; 0 if Postgres has not said it
	xid  uint32  // the transaction of the change; 0 if nothing of it had been sent
}

// filterWatch knows whether a row filter of a publication raises for a row, as
// 10 / x > 0 does for 0, and whether it was mended since. Such a row ends the stream at
// its change, and does so for ever: Postgres decodes a row with the filter that was
// there when the row was written. So walcast waits until the filter is mended, and then
// makes the slot anew behind everything that the old filter may be asked about.
//
// It belongs to the goroutine in Run.
type filterWatch struct {
	slot    string
	version int     // server_version_num of the stream
	end     wal.LSN // where the WAL ended when the stream began

	last    dataException // how a stream ended last; zero if not by a data exception
	old     bool          // the change was there before the stream that it ended first
	filters []rowFilter   // of the publications, as they were at the first look after that
	looked  bool
	certain bool // a second stream ended at the same change
}

// rowFilter is a row filter of a publication for a table.
type rowFilter struct {
	publication, table string // as identifiers of SQL
	text               string
	operations         string // that the publication publishes
	row                string // xmin of its row in the catalog: another one after each change
}

func (f rowFilter) String() string {
	return fmt.Sprintf("WHERE %s of publication %s for %s", f.text, f.publication, f.table)
}

// began takes in that a stream begins, from a server whose WAL ends there.
func (w *filterWatch) began(version int, end wal.LSN) { w.version, w.end = version, end }

// ended takes in the error that ended a stream, in which a transaction was being read or
// none (0), and returns it: as a fault if it is one of a row filter. settled says that the
// publications were not mended while nobody looked: this process has stood by for another
// one, which would have seen it.
func (w *filterWatch) ended(err error, xid uint32, settled bool) error {
	var decoding *decodingError
	if w.version < filterVersion || !errors.As(err, &decoding) ||
		!strings.HasPrefix(decoding.Code, "22") || catalog.IsUntranslatable(decoding.PgError) {
		return err
	}
	now := dataException{decoding.Code, lsnOf(decoding.Where), xid}
	switch {
	case now != w.last:
		*w = filterWatch{
			slot: w.slot, version: w.version, end: w.end,
			last: now, old: now.at != 0 && now.at < w.end && !settled,
		}
	case w.looked:
		w.certain = true
		return w.fault()
	}
	// What Postgres says is left out: it may have values of the row.
	return &fault{remedy: retryFast, cause: causeFilter, advice: fmt.Sprintf("a change cannot be decoded: SQLSTATE %s%s", now.code, now.place())}
}

// place is where the change is, as far as it is known.
func (e dataException) place() (text string) {
	if e.at != 0 {
		text = " at " + e.at.String()
	}
	if e.xid != 0 {
		text += fmt.Sprintf(" in transaction %d", e.xid)
	}
	return text
}

// places finds the positions in the context of an error, in whatever language:
// slot "a", output plugin "pgoutput", in the change callback, associated LSN 0/1924D58.
var places = regexp.MustCompile(`\b[0-9A-F]{1,8}/[0-9A-F]{1,8}\b`)

// lsnOf returns the position that the context of an error ends with, 0 if there is none.
// The slot's name, which comes first, has no slash.
func lsnOf(where string) wal.LSN {
	found := places.FindAllString(where, -1)
	if len(found) == 0 {
		return 0
	}
	at, err := wal.ParseLSN(found[len(found)-1])
	if err != nil {
		return 0
	}
	return at
}

// check looks at the publications, if a stream was ended by a data exception. While
// the filter is not mended it returns the fault. mended says that the slot is to be made
// anew.
func (w *filterWatch) check(ctx context.Context, db querier, publications []string) (mended bool, err error) {
	if w.last == (dataException{}) {
		return false, nil
	}
	slot, err := findSlot(ctx, db, w.slot)
	if err != nil {
		return false, err
	}
	if slot == nil || w.last.at != 0 && slot.Confirmed > w.last.at { // somebody has helped
		w.forget()
		return false, nil
	}
	filters, err := rowFilters(ctx, db, publications)
	if err != nil {
		return false, err
	}
	return w.look(filters)
}

// look takes in the filters that the publications have now.
func (w *filterWatch) look(now []rowFilter) (mended bool, err error) {
	if !w.looked {
		w.filters, w.looked = now, true
	}
	switch {
	case !w.certain:
		return false, nil
	case w.isMended(now):
		w.forget()
		return true, nil
	}
	return false, w.fault()
}

// isMended reports whether the filter that raised is there no more, or may have gone before
// the publications were looked at first: a slot that is made anew for one that still raises
// stops at the next such row. One that was added raises for what comes.
func (w *filterWatch) isMended(now []rowFilter) bool {
	if len(w.filters) == 0 || w.old {
		return true
	}
	return slices.ContainsFunc(w.filters, func(was rowFilter) bool { return !slices.Contains(now, was) })
}

// forget takes in that the slot does not stand before the change any more, or will not.
func (w *filterWatch) forget() { *w = filterWatch{slot: w.slot} }

// fault says which filters may have raised, and what to do.
func (w *filterWatch) fault() *fault {
	texts := make([]string, len(w.filters))
	for i, f := range w.filters {
		texts[i] = f.String()
	}
	which := "a row filter that the publications had"
	switch len(texts) {
	case 0:
	case 1:
		which = "the row filter " + texts[0]
	default:
		which = "a row filter, one of " + abridged(texts) + ","
	}
	return &fault{remedy: operate, cause: causeFilter, advice: fmt.Sprintf("%s raises SQLSTATE %s for a row%s, which ends the stream: "+
		"correct it with ALTER PUBLICATION … SET TABLE … WHERE (…), or take the table out; walcast then makes slot %s anew by itself, and clients are told to resync",
		which, w.last.code, w.last.place(), quoteIdentifier(w.slot))}
}

// rowFiltersQuery lists the row filters of publications $1.
const rowFiltersQuery = `
	select quote_ident(t.pubname), format('%I.%I', t.schemaname, t.tablename), t.rowfilter,
		concat_ws(', ', case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end, case when p.pubdelete then 'delete' end),
		coalesce(r.xmin::text, '')
	from pg_publication_tables t join pg_publication p on p.pubname = t.pubname
	join pg_namespace n on n.nspname = t.schemaname join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
	left join pg_publication_rel r on r.prpubid = p.oid and r.prrelid = c.oid
	where t.pubname = any ($1) and t.rowfilter is not null
	order by 1, 2`

func rowFilters(ctx context.Context, db querier, publications []string) ([]rowFilter, error) {
	rows, err := db.Query(ctx, rowFiltersQuery, publications)
	if err != nil {
		return nil, fmt.Errorf("look for row filters of publications: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f rowFilter, err error) {
		return f, row.Scan(&f.publication, &f.table, &f.text, &f.operations, &f.row)
	})
	if err != nil {
		return nil, fmt.Errorf("look for row filters of publications: %w", err)
	}
	return all, nil
}
