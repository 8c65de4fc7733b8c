package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"walcast/policy/sql"
	"walcast/replication/wal"
)

// statements is how Postgres is asked about rows of one relation for one role. The
// rows are sent as one array of the table's row type, so that every value is read by
// its type's own input function. The result is the numbers, from 1, of the rows that
// are visible.
type statements struct {
	// byRow evaluates the policies on the values of the change itself, so that the
	// answer holds for exactly that change. It is "" if that is impossible.
	byRow string
	// byKey looks the row up in the table, under the table's own row-level security,
	// and says whether the row is still the version of the change. It is "" without
	// a primary key.
	byKey string
	// rowPath is the search_path under which byRow's policies were printed. keyPath
	// is the session's own, as Postgres stores policies parsed. wholePath means that
	// rowPath has all schemas of keyPath, so that functions find the same on both.
	rowPath, keyPath string
	wholePath        bool
	// parser is the role that byRow is parsed as; "" is our own user.
	parser string

	unsent []string // columns that the policies read and the publication lacks
	barred []string // schemas whose lack of USAGE keeps byRow from being parsed
	opens  string   // SQL after which nothing is barred
	fields []field  // the fields of the row type, in order
	table  string   // schema.table, for texts
}

// field is one column of the row type.
type field struct {
	column int  // index in the Relation, -1 if the column is not published
	needed bool // byRow reads the column
	key    bool // the column is in the primary key
	// composite says that equal values of the column may have two images, see byKeySQL.
	composite bool
}

// sent returns the SQL for the array of rows. The array is sent in a setting, so that
// the statement has no parameters and keeps its plan. With parameters Postgres would
// plan it again each time, as a plan for a few rows looks cheaper than the general one.
func sent(table string) string {
	return fmt.Sprintf("pg_catalog.unnest(pg_catalog.current_setting('%s')::%s[])", rowsSetting, table)
}

const (
	rowsSetting = "walcast.rows"
	// lacksSetting has a text for each row, with a 1 for each column that the change
	// lacks and a 0 for the others: a column that is lacking need not be NULL.
	lacksSetting = "walcast.lacks"
)

// acting returns a condition on which a statement returns nothing if it should ever
// run as another role than the subject's. It also makes the statements of different
// roles different, as a plan may have a function inlined that only one of the roles
// may execute.
func acting(role string) string {
	return "current_user operator(pg_catalog.=) " + sql.QuoteText(role) + "::pg_catalog.name"
}

// newStatements writes the statements. They qualify all names, as the policies do, so
// that they mean the same for every role.
func newStatements(rel *wal.Relation, f *facts) *statements {
	table := sql.Qualified(f.relation.Schema, f.relation.Table)
	q := &statements{
		table:   f.relation.Schema + "." + f.relation.Table,
		rowPath: f.session.RunPath, keyPath: f.session.SearchPath, wholePath: f.session.WholePath,
	}
	needs, possible := neededColumns(f)
	key := true
	for _, a := range f.relation.attributes {
		c := field{column: rel.Column(a.Name)}
		c.needed = needs(a.Number) || c.column >= 0 && a.Domain
		c.key = c.column >= 0 && rel.Columns[c.column].Key
		c.composite = c.column >= 0 && isOfFields(rel.Columns[c.column].Type)
		key = key && (!c.key || a.Equals != "")
		if c.column < 0 && c.needed {
			q.unsent = append(q.unsent, a.Name)
		}
		q.fields = append(q.fields, c)
	}
	if q.parser, q.barred = f.parser(); len(q.barred) > 0 {
		q.opens = f.opens()
	}
	if possible && len(q.unsent) == 0 && len(q.barred) == 0 {
		q.byRow = byRowSQL(f, table)
	}
	if key && rel.HasKey() {
		q.byKey = q.byKeySQL(f, table)
	}
	return q
}

// parser returns the role that is to parse the text of the policies. That is our own
// user (""), who then needs USAGE instead of the subject, unless parsing may run code
// of users: reading the literal of a composite type checks the domains in it.
// Policies that read a table with row-level security need the subject's USAGE in any
// case, as Postgres parses them again as the role that runs them. If neither user may
// parse the text, barred is the schemas that the subject lacks USAGE on.
func (f *facts) parser() (role string, barred []string) {
	switch {
	case !f.policies.Literals && len(f.names.Own) == 0 && (len(f.names.Subject) == 0 || !f.names.Secured):
		return "", nil
	case len(f.names.Subject) == 0:
		return f.role.Name, nil
	}
	return "", f.names.Subject
}

// opens returns the SQL after which the text of the policies may be parsed that
// nobody may parse now. Our own user is asked for where that is enough: clients then
// get nothing that they do not have.
func (f *facts) opens() string {
	user, schemas := f.role.Acting, f.names.Own
	if f.policies.Literals || f.names.Secured {
		user, schemas = f.role.Name, f.names.Subject
	}
	quoted := make([]string, len(schemas))
	for i, schema := range schemas {
		quoted[i] = pgx.Identifier{schema}.Sanitize()
	}
	return "GRANT USAGE ON SCHEMA " + strings.Join(quoted, ", ") + " TO " + pgx.Identifier{user}.Sanitize() + ";"
}

// unjudged returns the answer for rows that can be asked about neither by row nor by
// key.
func (q *statements) unjudged() *AskError {
	reads, cure := "read what the change does not have", ""
	switch {
	case len(q.unsent) > 0:
		reads = "read " + strings.Join(q.unsent, ", ") + ", which is not published"
	case len(q.barred) > 0:
		reads = "have names in schema " + strings.Join(q.barred, ", ") + ", which the role has no USAGE on"
		cure = q.opens
	}
	return &AskError{
		Table: q.table, SQLState: codeNotSupported, cure: cure,
		Message: "its policies " + reads + ", and it has no primary key by which its rows could be looked up",
	}
}

// isOfFields reports whether values of a type have composite ones in them.
func isOfFields(t *wal.Type) bool {
	for part := range t.Parts() {
		if part.Kind == wal.KindComposite || part.Kind == wal.KindUnknown {
			return true
		}
	}
	return false
}

// byKeySQL writes the statement that looks rows up. As it finds the present version of
// a row, it also says whether that is the version of the change: all columns that the
// change has and the role may read must have the same binary image, a comparison
// without users' operators. The columns of the rows that were sent have names of ours,
// so that they cannot be confused with the table's.
//
// Of a composite value the text must be the same (concat writes it as output does, by
// no cast of a user's): a value that was stored before its type lost or got a field has
// another image than what is read from its text today.
//
// The offset makes it one look-up for each row. In a join Postgres would evaluate the
// policies for other rows of the table too, and if they raised for one of these all
// rows would be hidden.
func (q *statements) byKeySQL(f *facts, table string) string {
	var names, equal, images, now []string
	for i, c := range q.fields {
		name, column := fmt.Sprintf("c%d", i), "present."+sql.QuoteName(f.relation.attributes[i].Name)
		names = append(names, name)
		if c.key {
			equal = append(equal, fmt.Sprintf("%s %s sent.%s", column, f.relation.attributes[i].Equals, name))
		}
		if c.column < 0 || !f.relation.Selectable[c.column] {
			continue
		}
		image, is := "sent."+name, fmt.Sprintf("case pg_catalog.substr(sent.lacks, %d, 1) when '1' then sent.%s else %s end", i+1, name, column)
		if c.composite {
			image, is = "pg_catalog.concat("+image+")", "pg_catalog.concat("+is+")"
		}
		images, now = append(images, image), append(now, is)
	}
	return fmt.Sprintf("select sent.ordinal, found.same from rows from (%s, pg_catalog.unnest(pg_catalog.current_setting('%s')::pg_catalog.text[])) "+
		"with ordinality as sent (%s, lacks, ordinal) cross join lateral (select pg_catalog.record_image_eq(row(%s), row(%s)) as same from %s as present where %s offset 0) as found where %s",
		sent(table), lacksSetting, strings.Join(names, ", "), strings.Join(now, ", "), strings.Join(images, ", "), table, strings.Join(equal, " and "), acting(f.role.Name))
}

// byRowSQL writes the statement that evaluates the policies on the rows that were
// sent. The policies are in a WHERE, where Postgres has them too, so that the same
// conditions are skipped when others decide. The rows have the table's name and its
// columns' names, by which the policies refer to them.
func byRowSQL(f *facts, table string) string {
	if wholeRow(f) { // whose type must be the table's, without a number
		return fmt.Sprintf("select numbered.ordinal from (select pg_catalog.row_number() over () as ordinal, exists (select where %s) as visible "+
			"from %s as %s) as numbered where %s and numbered.visible", combined(f), sent(table), sql.QuoteName(f.relation.Table), acting(f.role.Name))
	}
	names := make([]string, len(f.relation.attributes))
	for i, a := range f.relation.attributes {
		names[i] = sql.QuoteName(a.Name)
	}
	ordinal := "ordinal"
	for slices.Contains(names, sql.QuoteName(ordinal)) {
		ordinal += "_"
	}
	return fmt.Sprintf(`select %s from %s with ordinality as %s (%s, %[1]s) where %[5]s and %[6]s`,
		sql.QuoteName(ordinal), sent(table), sql.QuoteName(f.relation.Table), strings.Join(names, ", "), acting(f.role.Name), combined(f))
}

// wholeRow reports whether a policy may use the whole row as a value.
func wholeRow(f *facts) bool {
	return slices.ContainsFunc(f.policies.stored, func(p policyRow) bool { return strings.Contains(p.Using, ".*") })
}

// neededColumns returns a function that reports which attributes the policies read. It
// is not possible to evaluate them if they read system columns, or if built-in names
// may mean something else on the session's search_path.
func neededColumns(f *facts) (needs func(number int16) bool, possible bool) {
	named := map[int16]bool{}
	all := wholeRow(f)
	possible = sql.CatalogFirst(f.session.SearchPath)
	for _, p := range f.policies.stored {
		for _, n := range p.Columns {
			named[n] = true
			possible = possible && n > 0
		}
	}
	return func(number int16) bool { return all || named[number] }, possible
}

// combined joins the policies as Postgres does: all restrictive policies by name, and
// any permissive one, the last name first (RelationBuildRowSecurity prepends). The
// order decides which condition is evaluated, and may raise, first.
func combined(f *facts) string {
	var permissive, restrictive []string
	for i, p := range f.policies.stored {
		if p.Permissive {
			permissive = append(permissive, "("+f.policies.asked[i]+")")
		} else {
			restrictive = append(restrictive, "("+f.policies.asked[i]+")")
		}
	}
	slices.Reverse(permissive)
	if len(permissive) == 0 {
		permissive = []string{"false"}
	}
	return strings.Join(append(restrictive, "("+strings.Join(permissive, " or ")+")"), " and ")
}

// complete reports whether the row has all values that byRow needs.
func (q *statements) complete(row wal.Row) bool {
	if q.byRow == "" || row == nil {
		return false
	}
	for _, f := range q.fields {
		if f.needed && row[f.column].Kind == wal.Absent {
			return false
		}
	}
	return true
}

// findable reports whether byKey can look the row up: it has its whole key.
func (q *statements) findable(row wal.Row) bool {
	if q.byKey == "" || row == nil {
		return false
	}
	for _, f := range q.fields {
		if f.key && row[f.column].Kind != wal.Text {
			return false
		}
	}
	return true
}

// needed and published choose the fields whose values are sent.
func needed(f field) bool    { return f.needed }
func published(f field) bool { return f.column >= 0 }

// appendLacks appends the row's text of lacksSetting.
func (q *statements) appendLacks(dst []byte, row wal.Row) []byte {
	for _, f := range q.fields {
		if f.column >= 0 && row[f.column].Kind == wal.Absent {
			dst = append(dst, '1')
		} else {
			dst = append(dst, '0')
		}
	}
	return dst
}

// appendRow appends a row as an element of an array literal of the row type. Quotes
// within the row are quoted once more for the array. Columns that are not wanted are
// NULL, which takes no time to read.
func (q *statements) appendRow(dst []byte, row wal.Row, wanted func(field) bool) []byte {
	dst = append(dst, '"', '(')
	for i, f := range q.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !wanted(f) || row[f.column].Kind != wal.Text {
			continue
		}
		dst = append(dst, '\\', '"')
		for j := range len(row[f.column].Text) {
			switch c := row[f.column].Text[j]; c {
			case '"': // doubled in the row
				dst = append(dst, '\\', '"', '\\', '"')
			case '\\':
				dst = append(dst, '\\', '\\', '\\', '\\')
			default:
				dst = append(dst, c)
			}
		}
		dst = append(dst, '\\', '"')
	}
	return append(dst, ')', '"')
}
