package live

import (
	"context"
	"encoding/json"
	"strings"

	"walcast/filters"
)

// Head is what a client is told before the rows of a binding.
type Head struct {
	Key   []string        // the columns that tell rows apart
	Order json.RawMessage // how each term of its order sorts, an array; nil without an order
}

// sorting is how a term of an order sorts, as far as the values do not tell: a client that
// keeps its rows in their order has to know it.
type sorting struct {
	Type      string     `json:"type"`                // pg_type.typname, for a domain of what it is made of
	Labels    []string   `json:"labels,omitempty"`    // of an enum, in their order
	Collation *collation `json:"collation,omitempty"` // of text, and of what has text in it
}

// collation is by what text is sorted.
type collation struct {
	Locale    string `json:"locale"`  // "C" for the order of code points, else a language tag such as "en-US"; "" if texts that differ may be equal
	IsDefault bool   `json:"default"` // it is the database's, by which filters compare
}

// collationsSQL reads the collations of a table's columns, and under the name ” that of
// the database. The columns of the catalog that depend on the version are read through jsonb.
const collationsSQL = `with collations as (
		select a.attname::text as name, a.attcollation = 100 as is_default, case a.attcollation when 100 then to_jsonb(d) else to_jsonb(c) end as of
		from (select attname, attcollation from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped union all select '', 100) a
			join pg_collation c on c.oid = a.attcollation join pg_database d on d.datname = current_database()
	)
	select name, is_default, coalesce(case
		when not coalesce((of ->> 'collisdeterministic')::bool, true) then ''
		else case coalesce(of ->> 'datlocprovider', of ->> 'collprovider', 'c')
			when 'b' then 'C'
			when 'c' then coalesce(of ->> 'datcollate', of ->> 'collcollate')
			else coalesce(of ->> 'datlocale', of ->> 'daticulocale', of ->> 'colllocale', of ->> 'colliculocale', of ->> 'collcollate')
		end end, '')
	from collations`

// sort finds how the binding's order sorts.
func (r *reading) sort(ctx context.Context, t *table) (json.RawMessage, error) {
	order := t.binding.Snapshot().Order
	if len(order) == 0 {
		return nil, nil
	}
	terms, err := order.Terms(t.relation)
	if err != nil {
		return nil, &againError{cause: err} // a column that was there at join
	}
	collations, err := r.collations(ctx, t.relation.OID)
	if err != nil {
		return nil, err
	}
	sorts := make([]sorting, len(terms))
	for i, term := range terms {
		base := term.Type.Underlying()
		sorts[i] = sorting{Type: base.Name, Labels: base.Labels}
		if !term.Collates {
			continue
		}
		of, ok := collations[term.Column]
		if !ok {
			of = collations[""]
		}
		sorts[i].Collation = &of
	}
	return json.Marshal(sorts)
}

// collations are those of a table's columns by their names, and that of the database.
func (r *reading) collations(ctx context.Context, table uint32) (map[string]collation, error) {
	rows, err := r.conn.Query(ctx, collationsSQL, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]collation{}
	for rows.Next() {
		var name string
		var c collation
		if err := rows.Scan(&name, &c.IsDefault, &c.Locale); err != nil {
			return nil, err
		}
		c.Locale = languageTag(c.Locale)
		found[name] = c
	}
	return found, rows.Err()
}

// languageTag is a locale of Postgres as programs that are not of POSIX name it.
func languageTag(locale string) string {
	if filters.Bytewise(locale) {
		return "C"
	}
	if end := strings.IndexAny(locale, ".@"); end >= 0 {
		locale = locale[:end]
	}
	return strings.ReplaceAll(locale, "_", "-")
}
