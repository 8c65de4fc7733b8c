package diagnose

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// warningsFor says what will not work as the client may expect, with the SQL
// that cures it.
//
// shape is of rel, and needed for a DELETE alone.
func warningsFor(b *Binding, rel *wal.Relation, shape catalog.Shape, view *policy.View, role string, unjudged error) (warnings []protocol.Problem) {
	if !b.isWild() { // a wildcard means the tables that the role may see
		warnings = append(grantWarnings(rel, view, role), rowWarnings(rel, view, role, unjudged)...)
	}
	return append(warnings, identityWarnings(b, rel, shape)...)
}

// grantWarnings warns of columns of a table that the role may not read. Upstream
// server says nothing, or Error 401 with each row.
func grantWarnings(rel *wal.Relation, view *policy.View, role string) []protocol.Problem {
	name := quote(rel.Schema, rel.Table)
	switch {
	case view.NoUsage:
		return nil // rowWarnings warns of that
	case !slices.Contains(view.Columns, true):
		fix := grant(rel, role)
		return []protocol.Problem{warning(protocol.CodeNotGranted, cure{fix, costOfGrant}, fmt.Sprintf(
			"role %q may not SELECT from %s, so changes come without their rows (Error 401). To get them: %s", role, name, fix))}
	case view.Denied:
		var keys []string
		for i, c := range rel.Columns {
			if c.Key && !view.Columns[i] {
				keys = append(keys, c.Name)
			}
		}
		fix := grant(rel, role, keys...)
		return []protocol.Problem{warning(protocol.CodeKeyNotGranted, cure{fix, costOfGrant}, fmt.Sprintf(
			"role %q may not SELECT the key of %s, so changes come without their rows (Error 401). To get them: %s", role, name, fix))}
	}
	return nil
}

// rowWarnings warns of what hides all rows of a table from a role. unjudged is why
// nobody can judge them, nil if that is not so.
func rowWarnings(rel *wal.Relation, view *policy.View, role string, unjudged error) []protocol.Problem {
	name := quote(rel.Schema, rel.Table)
	switch {
	case view.NoUsage:
		fix := grantUsage(rel, role)
		return []protocol.Problem{warning(protocol.CodeSchemaNotGranted, cure{fix, costOfUsage}, fmt.Sprintf(
			"role %q may not use schema %s, which hides all rows of %s. To see them: %s", role, quote(rel.Schema), name, fix))}
	case view.NoPolicy:
		fix := fmt.Sprintf("CREATE POLICY %s ON %s FOR SELECT TO %s USING (true);", quote("readable by "+role), name, quote(role))
		return []protocol.Problem{warning(protocol.CodeNoPolicy, cure{fix, costOfPolicy}, fmt.Sprintf(
			"row-level security of %s has no policy that lets role %q SELECT, so none of its rows come. To show all of them: %s", name, role, fix))}
	case unjudged != nil:
		return []protocol.Problem{unjudgedWarning(name, role, unjudged)}
	}
	return nil
}

// lostSchema warns a binding with wildcards of a schema that the role may not use any
// more.
func lostSchema(rel *wal.Relation, role string) protocol.Problem {
	fix := grantUsage(rel, role)
	return warning(protocol.CodeSchemaNotGranted, cure{fix, costOfUsage}, fmt.Sprintf(
		"role %q may not use schema %s any more, which hides all rows of its tables. To see them: %s", role, quote(rel.Schema), fix))
}

// unjudgedWarning warns that nobody can judge the rows of a table for a role.
func unjudgedWarning(name, role string, why error) protocol.Problem {
	text := fmt.Sprintf("nobody can say which rows of %s role %q may see, so none of them come: %v", name, role, why)
	var ask *policy.AskError
	if errors.As(why, &ask) && ask.Cure() != "" { // which is a grant of USAGE
		return warning(protocol.CodePolicyUnjudged, cure{ask.Cure(), costOfUsage}, text+". To see them: "+ask.Cure())
	}
	return warning(protocol.CodePolicyUnjudged, cure{cost: unjudgedCure}, text)
}

// identityWarnings warns of conditions that no DELETE meets, as the old row lacks
// the column, or only some, as those of partitions do.
func identityWarnings(b *Binding, rel *wal.Relation, shape catalog.Shape) (warnings []protocol.Problem) {
	name := quote(rel.Schema, rel.Table)
	full := fullIdentity(name, shape)
	for _, i := range narrow(b, rel) {
		text := fmt.Sprintf("DELETE on %s never matches the filter on %q, as the old row does not have that column. ", name, rel.Columns[i].Name)
		if rel.OldHas(i) == wal.SentSometimes {
			text = fmt.Sprintf("DELETE on %s matches the filter on %q in some of its partitions only, as old rows of others do not have that column. ", name, rel.Columns[i].Name)
		}
		if full.fix != "" {
			text += "To get it: " + full.fix
		} else {
			text += full.cost
		}
		warnings = append(warnings, warning(protocol.CodeReplicaIdentity, full, text))
	}
	return warnings
}

// narrow are the columns of a filter that not all old rows have. A view knows without them
// which rows it has.
func narrow(b *Binding, rel *wal.Relation) (columns []int) {
	if !b.Events.Has(wal.Delete) || b.Spec.View {
		return nil
	}
	return slices.DeleteFunc(filters.Columns(rel, b.Filter), func(i int) bool { return rel.OldHas(i) == wal.SentAlways })
}

func warning(code string, c cure, text string) protocol.Problem {
	return protocol.Problem{Message: protocol.Warning(text), Code: code, Fix: c.fix, Cost: c.cost}
}

// grant is the SQL that lets a role read a table, or some columns of it.
func grant(rel *wal.Relation, role string, columns ...string) string {
	of := ""
	if len(columns) > 0 {
		quoted := make([]string, len(columns))
		for i, c := range columns {
			quoted[i] = quote(c)
		}
		of = " (" + strings.Join(quoted, ", ") + ")"
	}
	return fmt.Sprintf("GRANT SELECT%s ON %s TO %s;", of, quote(rel.Schema, rel.Table), quote(role))
}

// grantUsage is the SQL that lets a role use the schema of a table.
func grantUsage(rel *wal.Relation, role string) string {
	return fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", quote(rel.Schema), quote(role))
}

// quote is a name as SQL has it, qualified if it has several parts.
func quote(parts ...string) string { return pgx.Identifier(parts).Sanitize() }
