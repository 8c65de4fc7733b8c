package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// warningsFor says what will not work as the client may expect, with the SQL
// that cures it.
func warningsFor(b *Binding, rel *wal.Relation, view *policy.View, role string) (warnings []protocol.Problem) {
	if b.Spec.Table != "*" && b.Spec.Schema != "*" { // else who may see what decides what is meant
		warnings = append(grantWarnings(rel, view, role), rowWarnings(rel, view, role)...)
	}
	if b.Events.Has(wal.Delete) {
		warnings = append(warnings, identityWarnings(b, rel)...)
	}
	return warnings
}

// grantWarnings is what a role does not get of a table's columns. Upstream
// server says nothing, or Error 401 with each row.
func grantWarnings(rel *wal.Relation, view *policy.View, role string) []protocol.Problem {
	name := quote(rel.Schema, rel.Table)
	switch {
	case view.NoUsage:
		return nil // what rowWarnings says comes first
	case !slices.Contains(view.Columns, true):
		fix := grant(rel, role)
		return []protocol.Problem{warning(protocol.CodeNotGranted, fix, fmt.Sprintf(
			"role %q may not SELECT from %s, so changes come without their rows (Error 401). To get them: %s", role, name, fix))}
	case view.Denied:
		var keys []string
		for i, c := range rel.Columns {
			if c.Key && !view.Columns[i] {
				keys = append(keys, c.Name)
			}
		}
		fix := grant(rel, role, keys...)
		return []protocol.Problem{warning(protocol.CodeKeyNotGranted, fix, fmt.Sprintf(
			"role %q may not SELECT the key of %s, so changes come without their rows (Error 401). To get them: %s", role, name, fix))}
	}
	return nil
}

// rowWarnings is what hides all rows of a table from a role.
func rowWarnings(rel *wal.Relation, view *policy.View, role string) []protocol.Problem {
	name := quote(rel.Schema, rel.Table)
	switch {
	case view.NoUsage:
		fix := grantUsage(rel, role)
		return []protocol.Problem{warning(protocol.CodeSchemaNotGranted, fix, fmt.Sprintf(
			"role %q may not use schema %s, which hides all rows of %s. To see them: %s", role, quote(rel.Schema), name, fix))}
	case view.NoPolicy:
		fix := fmt.Sprintf("CREATE POLICY \"readable\" ON %s FOR SELECT TO %s USING (true);", name, quote(role))
		return []protocol.Problem{warning(protocol.CodeNoPolicy, fix, fmt.Sprintf(
			"row-level security of %s has no policy that lets role %q SELECT, so none of its rows come. To show all of them: %s", name, role, fix))}
	}
	return nil
}

// identityWarnings is which conditions DELETE never meets, for want of the
// column in the old row.
func identityWarnings(b *Binding, rel *wal.Relation) (warnings []protocol.Problem) {
	name := quote(rel.Schema, rel.Table)
	fix := fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL;", name)
	for _, i := range filters.Columns(rel, b.Filter) {
		if !rel.Columns[i].Identity {
			warnings = append(warnings, warning(protocol.CodeReplicaIdentity, fix, fmt.Sprintf(
				"DELETE on %s never matches the filter on %q, as the old row does not have that column. To get it: %s",
				name, rel.Columns[i].Name, fix)))
		}
	}
	return warnings
}

func warning(code, fix, text string) protocol.Problem {
	return protocol.Problem{Message: protocol.Warning(text), Code: code, Fix: fix}
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
