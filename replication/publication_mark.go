package replication

import (
	"context"
	"fmt"
	"strings"

	"walcast/replication/pgoutput"
)

// markContent begins the content of marks; the name of a publication follows.
const markContent = "publication "

// A mark is a logical message that says: from here on there is this publication.
// A stream that does not read it yet begins anew behind the mark, and so misses
// nothing of it and reads nothing twice. Migrations write one in the transaction
// that makes the publication; for one that others have made the reader does, as
// soon as it sees it.

// marked recognises a mark, and returns the publication that it names.
func marked(m *pgoutput.LogicalMessage) (publication string, ok bool) {
	if m == nil || m.Prefix != messagePrefix {
		return "", false
	}
	return strings.CutPrefix(m.Content, markContent)
}

// mark writes one.
func mark(ctx context.Context, db querier, publication string) error {
	_, err := db.Exec(ctx, `select pg_logical_emit_message(true, $1::text, $2::text)`, messagePrefix, markContent+publication)
	if err != nil {
		return fmt.Errorf("mark publication %q in the WAL: %w", publication, err)
	}
	return nil
}
