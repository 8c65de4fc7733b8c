package policy

import (
	"fmt"
	"slices"
	"strings"

	"walcast/policy/sql"
	"walcast/replication/wal"
)

// question is how Postgres is asked about rows of one relation for one role.
// Rows travel as one array of the table's row type, so that every value is
// read by its type's own input function; back come the numbers, from 1, of
// those that are visible.
type question struct {
	// byRow evaluates the policies on the values of the change itself, so that
	// the answer is that of the change, exactly; "" when they cannot be.
	byRow string
	// byKey looks the row up under real row-level security, as it is now, and tells
	// whether it is still the one of the change; "" without a primary key.
	byKey string
	// rowPath is the search_path under which byRow's policies were printed; keyPath
	// is the session's own, for Postgres has the policies parsed. wholePath says
	// that functions find on rowPath whatever they find on keyPath.
	rowPath, keyPath string
	wholePath        bool
	// parser is the role that byRow is parsed as, "" is our own.
	parser string

	unsent []string // what the policies read and no change has
	barred []string // schemas because of which nobody can parse byRow
	fields []field  // the row type's, in order
	table  string   // schema.table for people
}

// field is one column of the row type.
type field struct {
	column int  // of the relation, -1 when it is not published
	needed bool // byRow cannot do without it
	key    bool
	// composite says that its values may have two images and be the same, see
	// keyQuestion.
	composite bool
}

// sent is the array of rows. It travels in a setting, as a statement without
// parameters keeps its plan: Postgres would plan one with parameters anew each
// time, to find that ten rows are cheaper than a thousand.
func sent(table string) string {
	return fmt.Sprintf("pg_catalog.unnest(pg_catalog.current_setting('%s')::%s[])", rowsSetting, table)
}

const (
	rowsSetting = "walcast.rows"
	// lacksSetting has a text for each row with a 1 for each column that the change
	// lacks, as that is not NULL.
	lacksSetting = "walcast.lacks"
)

// acting makes a question answer nothing should it ever run as anybody but the
// subject, whatever went wrong before. It also makes statements of different
// roles different: a plan may have a function inlined that only one of the
// roles may execute.
func acting(role string) string {
	return "current_user operator(pg_catalog.=) " + sql.QuoteText(role) + "::pg_catalog.name"
}

// newQuestion writes the statements. Names are qualified, as the policies' are,
// so that the statements mean the same for every role.
func newQuestion(rel *wal.Relation, f *facts) *question {
	table := sql.Qualified(f.Schema, f.Table)
	q := &question{
		table:   f.Schema + "." + f.Table,
		rowPath: f.session.RunPath, keyPath: f.session.SearchPath, wholePath: f.session.WholePath,
	}
	needs, possible := neededColumns(f)
	key := true
	for _, a := range f.attributes {
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
	q.parser, q.barred = f.parser()
	if possible && len(q.unsent) == 0 && len(q.barred) == 0 {
		q.byRow = rowQuestion(f, table)
	}
	if key && rel.HasKey() {
		q.byKey = q.keyQuestion(f, table)
	}
	return q
}

// parser is who is to parse the text of the policies: our own user, as they were
// parsed as their creator, unless that may run code of users, as reading a
// composite's literal checks the domains in it. What reads a table with
// row-level security is parsed again, by Postgres itself, as the subject that it
// is run as. barred are the schemas for which nobody can.
func (f *facts) parser() (role string, barred []string) {
	switch {
	case !f.Literals && len(f.names.Own) == 0 && (len(f.names.Subject) == 0 || !f.names.Secured):
		return "", nil
	case len(f.names.Subject) == 0:
		return f.Role, nil
	}
	return "", f.names.Subject
}

// unjudged is the answer about a row that nobody can judge.
func (q *question) unjudged() *AskError {
	reads := "read what the change does not have"
	switch {
	case len(q.unsent) > 0:
		reads = "read " + strings.Join(q.unsent, ", ") + ", which is not published"
	case len(q.barred) > 0:
		reads = "have names in schema " + strings.Join(q.barred, ", ") + ", which the role has no USAGE on"
	}
	return &AskError{
		Table: q.table, SQLState: codeNotSupported,
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

// keyQuestion looks rows up. An answer is about the row as it is now, so it says
// too whether that is the version that was sent: all columns that the change has
// and the role may read must have the same image, which no operator of a user
// decides. All columns of what was sent get names of ours, so that none of the
// table's is taken for one.
//
// Of a composite value it is the text that must be the same (concat writes it as
// output does, by no cast of a user's): one that was stored before its type lost or
// got a field has another image than what is read from its text today.
//
// The offset keeps it a look-up for each row: in a join Postgres would evaluate
// the policies for other rows of the table too, and what raises for one of them
// would hide all.
func (q *question) keyQuestion(f *facts, table string) string {
	var names, equal, images, now []string
	for i, c := range q.fields {
		name, column := fmt.Sprintf("c%d", i), "present."+sql.QuoteName(f.attributes[i].Name)
		names = append(names, name)
		if c.key {
			equal = append(equal, fmt.Sprintf("%s %s sent.%s", column, f.attributes[i].Equals, name))
		}
		if c.column < 0 || !f.Selectable[c.column] {
			continue
		}
		image, is := "sent."+name, fmt.Sprintf("case pg_catalog.substr(sent.lacks, %d, 1) when '1' then sent.%s else %s end", i+1, name, column)
		if c.composite {
			image, is = "pg_catalog.concat("+image+")", "pg_catalog.concat("+is+")"
		}
		images, now = append(images, image), append(now, is)
	}
	return fmt.Sprintf("select sent.place, found.same from rows from (%s, pg_catalog.unnest(pg_catalog.current_setting('%s')::pg_catalog.text[])) "+
		"with ordinality as sent (%s, lacks, place) cross join lateral (select pg_catalog.record_image_eq(row(%s), row(%s)) as same from %s as present where %s offset 0) as found where %s",
		sent(table), lacksSetting, strings.Join(names, ", "), strings.Join(now, ", "), strings.Join(images, ", "), table, strings.Join(equal, " and "), acting(f.Role))
}

// rowQuestion puts the policies where Postgres has them, in a WHERE, so that
// it takes the same short cuts around what may raise. What was sent has the
// table's name and its columns', as the policies know them.
func rowQuestion(f *facts, table string) string {
	if wholeRow(f) { // whose type must be the table's, without a number
		return fmt.Sprintf("select numbered.place from (select pg_catalog.row_number() over () as place, exists (select where %s) as visible "+
			"from %s as %s) as numbered where %s and numbered.visible", combined(f), sent(table), sql.QuoteName(f.Table), acting(f.Role))
	}
	names := make([]string, len(f.attributes))
	for i, a := range f.attributes {
		names[i] = sql.QuoteName(a.Name)
	}
	place := "place"
	for slices.Contains(names, sql.QuoteName(place)) {
		place += "_"
	}
	return fmt.Sprintf(`select %s from %s with ordinality as %s (%s, %[1]s) where %[5]s and %[6]s`,
		sql.QuoteName(place), sent(table), sql.QuoteName(f.Table), strings.Join(names, ", "), acting(f.Role), combined(f))
}

// wholeRow reports whether a policy may name the row as a value.
func wholeRow(f *facts) bool {
	return slices.ContainsFunc(f.policies, func(p policyRow) bool { return strings.Contains(p.Using, ".*") })
}

// neededColumns returns which attributes the policies read; possible is false
// when they read what a change does not have: system columns, or names that
// mean something else in our sessions.
func neededColumns(f *facts) (needs func(number int16) bool, possible bool) {
	named := map[int16]bool{}
	all := wholeRow(f)
	possible = sql.CatalogFirst(f.session.SearchPath)
	for _, p := range f.policies {
		for _, n := range p.Columns {
			named[n] = true
			possible = possible && n > 0
		}
	}
	return func(number int16) bool { return all || named[number] }, possible
}

// combined is what Postgres makes of policies: all restrictive ones, by name,
// and any permissive one, the last name first (RelationBuildRowSecurity prepends
// them). The order matters to what raises.
func combined(f *facts) string {
	var permissive, restrictive []string
	for i, p := range f.policies {
		if p.Permissive {
			permissive = append(permissive, "("+f.asked[i]+")")
		} else {
			restrictive = append(restrictive, "("+f.asked[i]+")")
		}
	}
	slices.Reverse(permissive)
	if len(permissive) == 0 {
		permissive = []string{"false"}
	}
	return strings.Join(append(restrictive, "("+strings.Join(permissive, " or ")+")"), " and ")
}

// complete reports whether the row has all that byRow needs.
func (q *question) complete(row wal.Row) bool {
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

// findable reports whether the row has its whole key.
func (q *question) findable(row wal.Row) bool {
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

func needed(f field) bool    { return f.needed }
func published(f field) bool { return f.column >= 0 }

// appendLacks adds the row's element of lacksSetting.
func (q *question) appendLacks(dst []byte, row wal.Row) []byte {
	for _, f := range q.fields {
		if f.column >= 0 && row[f.column].Kind == wal.Absent {
			dst = append(dst, '1')
		} else {
			dst = append(dst, '0')
		}
	}
	return dst
}

// appendRow adds a row as an element of an array literal of the row type: what
// is quoted in the row is quoted once more in the array. Columns that are not
// asked for are NULL, which costs nothing to read.
func (q *question) appendRow(dst []byte, row wal.Row, wanted func(field) bool) []byte {
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
