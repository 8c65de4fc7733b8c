package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"walcast/diagnose"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// printSQL begins the transaction in which rows are printed, with the settings that the
// replication connection pins.
const printSQL = `begin read only; set local statement_timeout = 0; set local search_path = "$user", public; set local datestyle = 'ISO, YMD';
	set local intervalstyle = 'postgres'; set local timezone = 'UTC'; set local extra_float_digits = 3; set local bytea_output = 'hex';
	set local lc_monetary = 'C'; set local client_min_messages = 'warning'; set local client_encoding = `

const (
	// fetchRows is how many rows are asked for at once.
	fetchRows = 1000
	// fetchLimit is how long Postgres may take for these, beyond what memory is waited for.
	fetchLimit = 30 * time.Second
	// rowCost is the memory of a row beside its bytes.
	rowCost = 48
)

// fetch prints and encodes the rows.
func (r *reading) fetch(ctx context.Context) error {
	encoding := r.conn.PgConn().ParameterStatus("client_encoding")
	if r.stored {
		encoding = r.conn.PgConn().ParameterStatus("server_encoding")
	}
	characters := catalog.NewCharacters(encoding, r.character)
	if _, err := r.exec(ctx, printSQL+"'"+encoding+"'"); err != nil {
		return err
	}
	r.snapshot.rows = make([][][]byte, len(r.tables))
	r.snapshot.keys = make([][]Key, len(r.tables))
	r.snapshot.Counts = make([]int, len(r.tables))
	for i := range r.tables {
		for more := true; more; {
			before := len(r.snapshot.rows[i])
			size, err := r.fetchSome(ctx, i, characters)
			if err == nil {
				err = r.keep(ctx, i, size)
			}
			if err != nil {
				return err
			}
			more = len(r.snapshot.rows[i])-before == fetchRows
		}
		r.snapshot.Counts[i] = len(r.snapshot.rows[i])
	}
	_, err := r.exec(ctx, "commit")
	return err
}

// fetchSome fetches some rows of a table, and returns how much memory they take.
func (r *reading) fetchSome(ctx context.Context, i int, characters *catalog.Characters) (size int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	t := r.tables[i]
	add := r.adder(i)
	var row wal.Row
	fetch := fmt.Sprintf("fetch forward %d from %s", fetchRows, r.name(i))
	if r.stored { // what characters are is asked over the same connection, so that all have to be here before
		results, err := r.exec(ctx, fetch)
		if err != nil {
			return 0, &printingError{i, err}
		}
		for _, values := range results[0].Rows {
			if row, err = t.stored(ctx, row, values, characters); err != nil {
				return size, err
			}
			size += add(row)
		}
		return size, nil
	}
	results := r.conn.PgConn().Exec(ctx, fetch)
	for results.NextResult() {
		reader := results.ResultReader()
		for reader.NextRow() {
			row = t.row(row, reader.Values())
			size += add(row)
		}
	}
	if err := results.Close(); err != nil {
		return size, &printingError{i, err}
	}
	return size, nil
}

// owned is a copy of a row, whose values are the connection's.
func owned(row wal.Row) wal.Row {
	own := slices.Clone(row)
	for i := range own {
		own[i].Text = strings.Clone(own[i].Text)
	}
	return own
}

// adder encodes rows of a table into the snapshot, and returns how much memory each takes.
func (r *reading) adder(i int) func(wal.Row) int64 {
	t := r.tables[i]
	appendRow, columns := r.of.config.Encode(t.binding, t.view), KeyColumns(t.relation)
	var scratch []byte
	return func(row wal.Row) int64 {
		scratch = appendRow(scratch[:0], row, r.snapshot.At)
		r.snapshot.rows[i] = append(r.snapshot.rows[i], r.block.keep(scratch))
		size := int64(len(scratch) + rowCost)
		if len(r.batch.request.Row) > 0 {
			r.snapshot.Row = owned(row)
		}
		if t.binding.Spec.View {
			key, _ := r.of.config.Keys.Of(row, columns) // the columns of a key are not null
			r.snapshot.keys[i] = append(r.snapshot.keys[i], key)
			size += int64(len(key))
		}
		return size
	}
}

// character is the UTF-8 of a character that the database stores. Asking fails the
// transaction for one that has none, up to where it was asked.
func (r *reading) character(ctx context.Context, stored string) (character string, err error) {
	if _, err = r.exec(ctx, "savepoint character"); err != nil {
		return "", err
	}
	character, err = catalog.New(r.conn, nil).Character(ctx, stored, r.conn.PgConn().ParameterStatus("server_encoding"))
	if err != nil {
		return "", err
	}
	end := "release savepoint character"
	if character == catalog.NoCharacter {
		end = "rollback to savepoint character; " + end
	}
	_, err = r.exec(ctx, end)
	return character, err
}

// printingError is an error that Postgres answered with as it sent the rows of a binding.
type printingError struct {
	binding int
	cause   error
}

func (e *printingError) Error() string { return e.cause.Error() }
func (e *printingError) Unwrap() error { return e.cause }

// block is where rows are kept, many in one piece: with a piece for each, the garbage
// collector would take so long that more than one snapshot in a row is in memory.
type block []byte

// blockBytes is the size of a block, but for larger rows. It is what may stay in memory of a
// snapshot for a client that has still to take some of its rows.
const blockBytes = 64 << 10

// keep returns a copy of an object.
func (b *block) keep(object []byte) []byte {
	if len(*b)+len(object) > cap(*b) {
		*b = make([]byte, 0, max(blockBytes, len(object)))
	}
	from := len(*b)
	*b = append(*b, object...)
	return (*b)[from:len(*b):len(*b)]
}

// keep takes the memory for rows of a table, unless these are too many.
func (r *reading) keep(ctx context.Context, i int, size int64) error {
	b := r.tables[i].binding
	if most := r.of.config.SnapshotRows; b.Snapshot().Limit == diagnose.NoLimit && len(r.snapshot.rows[i]) > most {
		return r.refuse(i, diagnose.TooManyRows(b, most, "rows"))
	}
	err := r.of.grow(ctx, r.batch, size)
	if err == errTooLarge { //nolint:errorlint // it is our own, and not wrapped
		return r.refuse(i, diagnose.TooManyRows(b, int(r.of.config.SnapshotBytes), "bytes"))
	}
	return err
}
