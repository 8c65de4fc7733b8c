package channels

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// invalid is why a binding or its filter cannot be read.
func invalid(b *protocol.Binding, filter error) *protocol.Problem {
	if b.Err != "" {
		return &protocol.Problem{Message: b.Err, Code: protocol.CodeInvalidBinding}
	}
	code := protocol.CodeInvalidFilter
	if errors.Is(filter, filters.ErrUnknownOperator) {
		code = protocol.CodeUnknownOperator
	}
	return &protocol.Problem{Message: filter.Error(), Code: code}
}

// unpublished is why a binding concerns no published table.
func unpublished(b *binding, a catalog.Absence) *protocol.Problem {
	p := &protocol.Problem{Message: notPublished(b), Code: protocol.CodeNotPublished}
	schema, table := b.spec.Schema, b.spec.Table
	name, publication := qualified(schema, table), quoteName(cmp.Or(a.Publication, "supabase_realtime"))
	add := fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s;", publication, name)
	switch {
	case schema == "*": // which tables is for the user to say
	case !a.Schema:
		p.Code = protocol.CodeUnknownSchema
	case table == "*":
		p.Fix = fmt.Sprintf("ALTER PUBLICATION %s ADD TABLES IN SCHEMA %s;", publication, quoteName(schema))
	case a.Kind == "":
		p.Code = protocol.CodeUnknownTable
	case a.Kind != "r" && a.Kind != "p":
		p.Code = protocol.CodeNotATable
	case a.Leaves, a.Root:
		p.Fix = fmt.Sprintf("ALTER PUBLICATION %s SET (publish_via_partition_root = %t);", publication, a.Leaves)
	case !a.Persistent:
		p.Fix = fmt.Sprintf("ALTER TABLE %s SET LOGGED; %s", name, add)
	default:
		p.Fix = add
	}
	return p
}

// unusableColumn is why a binding cannot use a column: "filter" or "select" says
// for what. exists is for a column that the relation does not have.
func unusableColumn(b *binding, use, column string, rel *wal.Relation, exists bool) *protocol.Problem {
	p := &protocol.Problem{
		Message: refusedBy(b, filters.NewBindError("P0001", "invalid column for "+use+" "+column)),
		Code:    protocol.CodeUnknownColumn,
	}
	switch {
	case rel.Column(column) >= 0:
		p.Code = protocol.CodeColumnNotGranted
		p.Fix = grant(rel, b.subject.Role, column)
	case exists:
		p.Code = protocol.CodeColumnNotPublished
	}
	return p
}

// unusable is a filter that cannot work on a table.
func unusable(b *binding, e *filters.BindError) *protocol.Problem {
	p := &protocol.Problem{Message: refusedBy(b, e), Code: protocol.CodeInvalidValue}
	if e.SQLState == "42883" {
		p.Code = protocol.CodeUnknownOperator
	}
	return p
}

func unknownRole(b *binding, err error) *protocol.Problem {
	return &protocol.Problem{
		Message: refusedBy(b, filters.NewBindError("42704", err.Error())),
		Code:    protocol.CodeUnknownRole, Fix: fmt.Sprintf("CREATE ROLE %s NOLOGIN;", quoteName(b.subject.Role)),
	}
}

// failing is a policy or filter that raised for a row.
func failing(b *binding, err error) protocol.Problem {
	var ask *policy.AskError
	var bind *filters.BindError
	switch {
	case errors.As(err, &ask):
		return protocol.Problem{Message: protocol.PolicyRaised(ask.Table, ask.SQLState, ask.Message), Code: protocol.CodePolicyRaised}
	case errors.As(err, &bind):
		return *unusable(b, bind)
	}
	return protocol.Problem{Message: err.Error(), Code: protocol.CodePolicyRaised}
}

// warningsFor says what will not work as the client may expect, with the SQL
// that cures it.
func warningsFor(b *binding, rel *wal.Relation, view *policy.View) (warnings []protocol.Problem) {
	if b.spec.Table != "*" && b.spec.Schema != "*" { // else who may see what decides what is meant
		warnings = grantWarnings(rel, view, b.subject.Role)
	}
	if !b.events.Has(wal.Delete) {
		return warnings
	}
	for _, i := range filters.Columns(rel, b.filter) {
		if !rel.Columns[i].Identity {
			name := qualified(rel.Schema, rel.Table)
			fix := fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL;", name)
			warnings = append(warnings, warning(protocol.CodeReplicaIdentity, fix, fmt.Sprintf(
				"DELETE on %s never matches the filter on %q, as the old row does not have that column. To get it: %s",
				name, rel.Columns[i].Name, fix)))
		}
	}
	return warnings
}

// grantWarnings is what a role does not get of a table's changes. Upstream says
// nothing, or Error 401 with each row.
func grantWarnings(rel *wal.Relation, view *policy.View, role string) (warnings []protocol.Problem) {
	name := qualified(rel.Schema, rel.Table)
	switch {
	case !slices.Contains(view.Columns, true):
		fix := grant(rel, role)
		warnings = append(warnings, warning(protocol.CodeNotGranted, fix, fmt.Sprintf(
			"role %q may not SELECT from %s, so changes come without their rows (Error 401). To get them: %s", role, name, fix)))
	case view.Denied:
		var keys []string
		for i, c := range rel.Columns {
			if c.Key && !view.Columns[i] {
				keys = append(keys, c.Name)
			}
		}
		fix := grant(rel, role, keys...)
		warnings = append(warnings, warning(protocol.CodeKeyNotGranted, fix, fmt.Sprintf(
			"role %q may not SELECT the key of %s, so changes come without their rows (Error 401). To get them: %s", role, name, fix)))
	}
	switch {
	case view.NoUsage:
		fix := fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", quoteName(rel.Schema), quoteName(role))
		warnings = append(warnings, warning(protocol.CodeSchemaNotGranted, fix, fmt.Sprintf(
			"role %q may not use schema %s, which hides all rows of %s. To see them: %s", role, quoteName(rel.Schema), name, fix)))
	case view.NoPolicy:
		fix := fmt.Sprintf("CREATE POLICY \"readable\" ON %s FOR SELECT TO %s USING (true);", name, quoteName(role))
		warnings = append(warnings, warning(protocol.CodeNoPolicy, fix, fmt.Sprintf(
			"row-level security of %s has no policy that lets role %q SELECT, so none of its rows come. To show all of them: %s", name, role, fix)))
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
			quoted[i] = quoteName(c)
		}
		of = " (" + strings.Join(quoted, ", ") + ")"
	}
	return fmt.Sprintf("GRANT SELECT%s ON %s TO %s;", of, qualified(rel.Schema, rel.Table), quoteName(role))
}

func qualified(schema, table string) string { return quoteName(schema) + "." + quoteName(table) }

func quoteName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// problem tells the client of a problem with its bindings.
func (c *channel) problem(status string, p protocol.Problem) {
	c.push(c.ref, "", protocol.EventSystem, p.System(protocol.ExtensionPostgres, status, c.topic.key.subTopic()))
}
