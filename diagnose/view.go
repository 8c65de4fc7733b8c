package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// checkView checks what a view needs of a table beyond what a snapshot needs: each
// change says which row it is of, before it and after it, and none is left out.
func (c *Checker) checkView(ctx context.Context, b *Binding, rel *wal.Relation) (*protocol.Problem, error) {
	_, partly, err := c.tables.published(ctx, b.TableName(), c.believed)
	if err != nil {
		return nil, err
	}
	if p, isPartly := partly[rel.OID]; isPartly {
		return incomplete(b, rel, p), nil
	}
	lost, err := c.tables.lostKey(ctx, b.TableName(), rel.OID, c.believed)
	if err != nil {
		return nil, err
	}
	return Untraceable(b, rel, lost), nil
}

// incomplete is the problem of a view of a table of which not all changes are published.
func incomplete(b *Binding, rel *wal.Relation, p catalog.Publishes) *protocol.Problem {
	missing, c := publishingAll(p)
	text := fmt.Sprintf("publication %s does not publish %s of %s, which a view has to follow", quote(p.Publication), strings.Join(missing, ", "), quote(rel.Schema, rel.Table))
	return problemOf(b, protocol.CodeEventNotPublished, text, c)
}

// Untraceable says why the changes of a table do not tell which of its rows they are of,
// nil if they do.
func Untraceable(b *Binding, rel *wal.Relation, lost catalog.LostKey) *protocol.Problem {
	name := quote(rel.Schema, rel.Table)
	switch {
	case lost.Deferrable:
		return problemOf(b, protocol.CodeNoKey, "the primary key of "+name+" is deferrable, so that two rows may have the same for a while", cure{cost: "a primary key that is not deferrable"})
	case lost.Other:
		return problemOf(b, protocol.CodeNoKey, "the replica identity of "+name+" is not its primary key, so that a DELETE does not say which row it is of",
			cure{cost: "ALTER TABLE … REPLICA IDENTITY DEFAULT, or FULL"})
	}
	return nil
}

// Rechecked is what a client is told of a view whose rows depend on what nothing tells of.
// It does not name what the policies name.
func Rechecked(b *Binding, hidden []string, every time.Duration) *protocol.Problem {
	var on []string
	for _, name := range hidden {
		kind := "the clock, settings, or the like"
		switch {
		case strings.HasPrefix(name, "table "):
			kind = "a table of which not all changes are published"
		case strings.HasPrefix(name, "function "):
			kind = "what a function reads"
		}
		if !slices.Contains(on, kind) {
			on = append(on, kind)
		}
	}
	return &protocol.Problem{
		Message: fmt.Sprintf("which rows of %s a view has also depends on %s, of which nothing tells when it changes: they are looked at again every %s", quote(b.Spec.Schema, b.Spec.Table), strings.Join(on, ", and on "), every),
		Code:    protocol.CodeViewRechecked, Cost: "a policy that reads only the row, the claims and tables that are published is followed at once",
	}
}

// ViewTooLarge is the problem of a view for which the server may hold no more keys.
func ViewTooLarge(b *Binding, most int) *protocol.Problem {
	return problemOf(b, protocol.CodeViewTooLarge, fmt.Sprintf("the views of all clients would have more than %d rows together, which is the setting view-keys", most),
		cure{cost: "a filter that fewer rows match, or a greater view-keys"})
}
