package diagnose

import (
	"context"

	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// FullIdentity is SQL that has UPDATE and DELETE of a table write the whole old row, and
// what else that does. Where the application would not survive it there is none, and the
// cost says why.
func FullIdentity(schema, table string, s catalog.Shape) (fix, cost string) {
	c := fullIdentity(quote(schema, table), s)
	return c.fix, c.cost
}

// PublishAll is SQL that has a publication publish all kinds of changes, and what else that
// does, as in FullIdentity. missing are the kinds that it does not publish.
func PublishAll(p catalog.Publishes) (missing []string, fix, cost string) {
	missing, c := publishingAll(p)
	return missing, c.fix, c.cost
}

// Unpublished says why no changes come of a table, whoever asks, with the SQL that
// publishes it. It is for tables that are not published.
func (c *Checker) Unpublished(ctx context.Context, name catalog.TableName) (*protocol.Problem, error) {
	missing, err := c.tables.missingNames(ctx, c.believed)
	if err != nil {
		return nil, err
	}
	why, err := c.tables.absent(ctx, name, c.believed)
	if err != nil {
		return nil, err
	}
	return unpublished(&Binding{Spec: &protocol.Binding{Event: "*", Schema: name.Schema, Table: name.Table}}, why, missing), nil
}

// Relation is the table that is published under a name, nil if there is none. Policy knows
// it already from the checks of a moment ago.
func (c *Checker) Relation(ctx context.Context, name catalog.TableName) (*wal.Relation, error) {
	relations, _, err := c.tables.published(ctx, name, c.believed)
	if err != nil || len(relations) == 0 {
		return nil, err
	}
	return relations[0], nil
}
