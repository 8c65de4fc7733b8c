package diagnose

import (
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
	name := quote(schema, table)
	var c cure
	switch {
	case schema == "*": // which tables to publish only the user knows
	case table == "*":
		c = publishingSchema(schema, a)
	case a.Kind == "":
		p.Code = protocol.CodeUnknownTable
	case a.Kind != "r" && a.Kind != "p":
		p.Code = protocol.CodeNotATable
	case a.System || a.Persistence == "t":
		c.cost = "tables of Postgres itself and temporary ones cannot be published"
	case a.Leaves, a.Root:
		c = publishingBy(a.Leaves, a)
	case a.Persistence == "u":
		c = publishingLogged(name, a)
	default:
		c = publishing(name, a)
	}
	p.Fix, p.Cost = c.fix, c.cost
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
