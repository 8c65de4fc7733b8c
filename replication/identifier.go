package replication

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// maxIdentifier is Postgres' limit for a name, in bytes (NAMEDATALEN - 1).
const maxIdentifier = 63

// tableName is a table as a user writes it. Schema is empty when it was not
// written; the search path then decides.
type tableName struct{ Schema, Table string }

// String quotes what has to be quoted for SQL.
func (n tableName) String() string {
	if n.Schema == "" {
		return quoteIdentifier(n.Table)
	}
	return pgx.Identifier{n.Schema, n.Table}.Sanitize()
}

// quoteIdentifier always quotes: a keyword looks like any other name.
func quoteIdentifier(name string) string {
	return pgx.Identifier{name}.Sanitize()
}

// quoteLiteral is for the replication commands, which take no parameters.
// Their scanner knows no backslash escapes.
func quoteLiteral(s string) string {
	return `'` + strings.ReplaceAll(s, `'`, `''`) + `'`
}

// parseTableNames reads a comma separated list of tables as SQL would:
// unquoted names fold to lower case, quoted ones may hold anything.
func parseTableNames(list string) ([]tableName, error) {
	var names []tableName
	rest := list
	for {
		name, after, err := cutTableName(rest)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if after == "" {
			return names, nil
		}
		if after[0] != ',' {
			return nil, fmt.Errorf("unexpected %q after table %s", after, name)
		}
		rest = after[1:]
	}
}

// cutTableName takes name or schema.name off the front.
func cutTableName(s string) (tableName, string, error) {
	first, rest, err := cutIdentifier(s)
	if err != nil || !strings.HasPrefix(rest, ".") {
		return tableName{Table: first}, rest, err
	}
	second, rest, err := cutIdentifier(rest[1:])
	return tableName{Schema: first, Table: second}, rest, err
}

// cutIdentifier takes one identifier and the blanks around it off the front.
func cutIdentifier(s string) (name, rest string, err error) {
	s = strings.TrimLeft(s, " \t\n")
	if strings.HasPrefix(s, `"`) {
		name, rest, err = cutQuoted(s[1:])
	} else {
		end := strings.IndexAny(s, " \t\n.,\"")
		if end < 0 {
			end = len(s)
		}
		name, rest = strings.ToLower(s[:end]), s[end:]
	}
	switch {
	case err != nil:
		return "", "", err
	case name == "":
		return "", "", errors.New("a table name is missing")
	case len(name) > maxIdentifier:
		return "", "", fmt.Errorf("name %q is longer than 63 bytes", name)
	case strings.ContainsRune(name, 0):
		return "", "", fmt.Errorf("name %q has a zero byte", name)
	}
	return name, strings.TrimLeft(rest, " \t\n"), nil
}

// cutQuoted takes the rest of a quoted identifier, its opening quote gone.
func cutQuoted(s string) (name, rest string, err error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, `"`)
		if !ok {
			return "", "", fmt.Errorf("the quote before %q does not end", s)
		}
		b.WriteString(before)
		if !strings.HasPrefix(after, `"`) {
			return b.String(), after, nil
		}
		b.WriteByte('"')
		s = after[1:]
	}
}
