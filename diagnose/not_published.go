package diagnose

import (
	"cmp"
	"fmt"

	"walcast/protocol"
	"walcast/replication/catalog"
)

// notPublished returns upstream's text for a binding without a published
// table.
func notPublished(b *Binding) string {
	return "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: " + parameters(b)
}

// unpublished returns why a binding concerns no published table, with the cure.
func unpublished(b *Binding, a catalog.Absence) *protocol.Problem {
	p := &protocol.Problem{Message: notPublished(b), Code: protocol.CodeNotPublished}
	schema, table := b.Spec.Schema, b.Spec.Table
	name, publication := quote(schema, table), quote(cmp.Or(a.Publication, "supabase_realtime"))
	add := fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s;", publication, name)
	switch {
	case schema == "*": // which tables to publish only the user knows
	case table == "*":
		p.Fix = fmt.Sprintf("ALTER PUBLICATION %s ADD TABLES IN SCHEMA %s;", publication, quote(schema))
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

// unusableSchema returns the answer for a schema that the role may not use. It is the
// same whether or not there is such a schema or table.
func unusableSchema(b *Binding) *protocol.Problem {
	return &protocol.Problem{Message: notPublished(b), Code: protocol.CodeUnknownSchema}
}

// unknownTable returns the answer for a name that no table can have.
func unknownTable(b *Binding) *protocol.Problem {
	return &protocol.Problem{Message: notPublished(b), Code: protocol.CodeUnknownTable}
}
