package diagnose

import (
	"fmt"
	"strings"

	"walcast/filters"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// ParseTable reads the name of a table as bindings have it: schema.table, or the table
// alone for schema public.
func ParseTable(text string) (catalog.TableName, error) {
	schema, table, found := strings.Cut(text, ".")
	if !found {
		schema, table = "public", text
	}
	if schema == "" || table == "" || len(schema) > protocol.MaxIdentifier || len(table) > protocol.MaxIdentifier || !protocol.IsName(text) {
		return catalog.TableName{}, fmt.Errorf("want a table as schema.table, got %q", text)
	}
	return catalog.TableName{Schema: schema, Table: table}, nil
}

// unnameable returns why no database can have a schema, table or column that a
// binding names, or nil if one may. Such names are refused before they reach Postgres
// or a cache.
func unnameable(b *Binding) *protocol.Problem {
	if strings.ContainsRune(b.Spec.Filter, 0) {
		return &protocol.Problem{
			Message: "Error parsing `filter` params: no text of Postgres has the character 0",
			Code:    protocol.CodeInvalidFilter,
		}
	}
	switch {
	case len(b.Spec.Schema) > protocol.MaxIdentifier:
		return unusableSchema(b)
	case len(b.Spec.Table) > protocol.MaxIdentifier:
		return unknownTable(b)
	}
	for _, name := range b.Spec.Select {
		if len(name) > protocol.MaxIdentifier {
			return unusableColumn(b, forSelect, clip(name))
		}
	}
	return unnameableColumn(b, b.Filter)
}

// unnameableColumn is unnameable for the columns of a filter. What follows an arrow is
// a path into the column's document, which may have any name in it.
func unnameableColumn(b *Binding, f filters.Filter) *protocol.Problem {
	for _, c := range f {
		column, _, _ := strings.Cut(c.Column, "->")
		switch {
		case c.Op == filters.Any || c.Op == filters.All:
			if refused := unnameableColumn(b, c.Group); refused != nil {
				return refused
			}
		case !protocol.IsName(column):
			return &protocol.Problem{
				Message: "Error parsing `filter` params: a name has no control characters",
				Code:    protocol.CodeInvalidFilter,
			}
		case len(column) > protocol.MaxIdentifier:
			return unusableColumn(b, forFilter, clip(column))
		}
	}
	return nil
}

// clip shortens a name that is too long, for texts that repeat it.
func clip(name string) string {
	if len(name) <= protocol.MaxIdentifier {
		return name
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(name[:protocol.MaxIdentifier], ""), len(name))
}
