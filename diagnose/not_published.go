package diagnose

import (
	"cmp"
	"fmt"
	"strings"

	"walcast/protocol"
	"walcast/replication/catalog"
)

// notPublished returns upstream's text for a binding without a published
// table.
func notPublished(b *Binding) string {
	return "Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: " + parameters(b)
}

// unpublished returns why a binding concerns no published table, with the cure.
// missing are the publications that there are none of.
func unpublished(b *Binding, a catalog.Absence, missing []string) *protocol.Problem {
	p := &protocol.Problem{Message: notPublished(b), Code: protocol.CodeNotPublished}
	schema, table := b.Spec.Schema, b.Spec.Table
	name, first := quote(schema, table), ""
	isOther := a.Leaves || a.Root || a.Kind != "" && a.Kind != "r" && a.Kind != "p" // no publication would do
	if len(missing) > 0 && !isOther {
		p.Code, a.Target, first = protocol.CodePublicationMissing, catalog.Target{OldRows: true}, missing[0]
	}
	var c cure
	switch {
	case schema == "*": // which tables to publish only the user knows
	case table == "*":
		c = publishingSchema(schema, first, a)
	case a.Kind == "" && first == "":
		p.Code = protocol.CodeUnknownTable
	case a.Kind == "": // which tables to publish only the user knows
	case a.Kind != "r" && a.Kind != "p":
		p.Code = protocol.CodeNotATable
	case a.System || a.Persistence == "t":
		c.cost = "tables of Postgres itself and temporary ones cannot be published"
	case a.Leaves, a.Root:
		c = publishingBy(a.Leaves, a)
	case a.Persistence == "u":
		c = publishingLogged(name, first, a)
	default:
		c = publishing(name, first, a)
	}
	switch {
	case first == "":
	case c.fix == "":
		c.cost = cmp.Or(c.cost, isMissing(missing))
	default:
		c.cost = strings.TrimPrefix(c.cost+"; "+costOfNew, "; ")
	}
	p.Fix, p.Cost = c.fix, c.cost
	return p
}

// withoutPublication returns the answer for a schema that the role may not use while
// publications are missing, which is so for all names.
func withoutPublication(b *Binding, missing []string) *protocol.Problem {
	return &protocol.Problem{Message: notPublished(b), Code: protocol.CodePublicationMissing, Cost: isMissing(missing)}
}

// isMissing says which publication there is none of.
func isMissing(missing []string) string {
	return fmt.Sprintf("publication %s does not exist", quote(missing[0]))
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
