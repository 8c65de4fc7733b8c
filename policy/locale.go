package policy

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"walcast/filters"
	"walcast/internal/conninfo"
)

// localeSQL asks for columns that not every version has.
const localeSQL = `select coalesce(d ->> 'datcollate', ''), coalesce(d ->> 'datctype', ''), coalesce(d ->> 'datlocprovider', 'c'),
	coalesce(d ->> 'datlocale', d ->> 'daticulocale', ''), current_setting('TimeZone'), current_setting('server_encoding')
	from (select to_jsonb(d) as d from pg_database d where datname = current_database()) as d`

// Locale reads what the database adds to the meaning of comparisons. Fields that
// Go could not act on with certainty are empty.
func (o *Operators) Locale(ctx context.Context) (filters.Locale, error) {
	var l filters.Locale
	var provider, name, encoding string
	err := pgx.BeginTxFunc(ctx, o.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "select pg_catalog.set_config('search_path', '"+catalogPath+"', true)"); err != nil {
			return err
		}
		return tx.QueryRow(ctx, localeSQL).Scan(&l.Collate, &l.Ctype, &provider, &name, &l.TimeZone, &encoding)
	})
	if err != nil {
		return filters.Locale{}, fmt.Errorf("read locale of the database: %w", err)
	}
	switch provider {
	case "b": // Postgres' own, from 17: all of them sort by code point
		l.Collate, l.Ctype = "C", name
	case "i": // ICU
		l.Collate, l.Ctype = "", name
	}
	if encoding != "UTF8" && encoding != conninfo.NoEncoding {
		l.Collate = "" // the order of its bytes is not that of UTF-8
	}
	if encoding == conninfo.NoEncoding {
		l.Ctype = "" // there are no characters, only bytes
	}
	return l, nil
}
