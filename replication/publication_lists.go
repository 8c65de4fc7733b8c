package replication

import (
	"context"

	"walcast/replication/catalog"
)

// agree says of which tables the publications have different columns, nil if of none:
// Postgres ends a stream at the first change of such a table.
func agree(ctx context.Context, db querier, publications []string) error {
	differing, err := catalog.New(db, publications).Differing(ctx)
	if err != nil || len(differing) == 0 {
		return err
	}
	tables := make([]string, len(differing))
	for i, t := range differing {
		tables[i] = t.Schema + "." + t.Table
	}
	return &fault{remedy: operate, cause: causeLists, advice: "the publications have different columns of " + abridged(tables) +
		", which ends the stream: make the lists of columns equal with ALTER PUBLICATION … SET TABLE, or leave the table out of one"}
}
